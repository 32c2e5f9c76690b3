/* What was recorded, for the page and for scripts: a frame as JPEG, or when there are frames and
 * what happened. The storer is asked, and looks it up while the live video goes on; until it has
 * answered, the HTTP request is parked. */
#ifndef TROUPE_WORKERS_DISPLAY_RECORDED_H
#define TROUPE_WORKERS_DISPLAY_RECORDED_H

#include "ipc/worker/worker.h"
#include "workers/display/http.h"

/* GET /recorded/STREAM/frame with one of
 *   at=SECONDS        the last frame captured at that time since 1970 or before (a fraction may
 *                     have nine digits), else the first one
 *   seq=N             this one            \
 *   after=N           the next one behind  | of run=R, without it of this run
 *   before=N          the last one before /
 *   first=1           the first there is; without any of these: the last
 * and perhaps wait=SECONDS for a storer that answers, normally 10.
 * The answer is JPEG; its record is in the header X-Frame, as JSON. `w` NULL: nobody can be asked.
 */
void recorded_frame(struct worker *w, struct request *request, const char *stream);

/* GET /recorded/STREAM/timeline?from=SECONDS&to=SECONDS: JSON as schemas/playback.proto has it,
 * times in ns since 1970. */
void recorded_timeline(struct worker *w, struct request *request, const char *stream);

#endif
