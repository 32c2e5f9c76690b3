/* From the supervisor's words to events. */
#include "workers/storer/told.h"

#include <stdio.h>

void told_note(struct event_notes *notes, const Troupe__Happened *told)
{
	struct event event = {
		.kind = event_kind_of(told->kind),
		.begun = told->begun,
		.begun_wall = told->begun_wall,
		.ended = told->ended != 0 ? told->ended : told->begun,
		.ended_wall = told->ended != 0 ? told->ended_wall : told->begun_wall,
		.open = told->ended == 0,
	};

	if (event.kind == N_EVENT_KINDS || event_of_frames(event.kind))
		return;
	snprintf(event.stream, sizeof(event.stream), "%s", told->stream);
	if (event.kind == EVENT_DIED) {
		snprintf(event.what, sizeof(event.what), "%.31s: %.120s", told->worker,
			 told->cause);
	} else {
		snprintf(event.what, sizeof(event.what), "%.150s", told->cause);
	}
	event_notes_add(notes, &event);
}
