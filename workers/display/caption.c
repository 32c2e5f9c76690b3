/* What a frame's record says; see caption.h. */
#include "workers/display/caption.h"

#include "ipc/base/clock.h"
#include "ipc/slots/record.h"

const char *caption_label(const struct ledger *ledger, int32_t label, char out[NAME_SIZE])
{
	return ledger_label(ledger, label, out);
}

json_t *caption_drops(const uint32_t *before)
{
	static const char *const reasons[N_DROP_REASONS] = {
#define DROP_TEXT(name, text) [DROP_##name] = (text),
		DROP_REASONS(DROP_TEXT)
#undef DROP_TEXT
	};
	json_t *drops = json_object();
	for (int i = 0; i < N_DROP_REASONS; i++) {
		uint32_t n = before[i];
		if (n > 0)
			json_object_set_new(drops, reasons[i], json_integer(n));
	}
	return drops;
}

static json_t *us_between(int64_t from, int64_t to)
{
	return json_integer((to - from) / NS_PER_US);
}

/* The processor's part of the record; a bypassed frame has none. */
static void add_processed(const struct ledger *ledger, const struct slot_record *record,
			  json_t *out)
{
	char name[NAME_SIZE];
	json_object_set_new(out, "prediction",
			    json_string(caption_label(ledger, record->prediction, name)));
	json_object_set_new(out, "probability", json_real((double)record->probability));
	json_object_set_new(out, "motion", json_real((double)record->motion));
	json_object_set_new(out, "model", json_integer((json_int_t)record->model_version));
	json_object_set_new(out, "claimed_us", us_between(record->published, record->claimed));
	json_object_set_new(out, "finished_us", us_between(record->claimed, record->finished));
}

char *caption_json(const struct ledger *ledger, const struct shot *shot)
{
	const struct slot_record *record = &shot->record;
	const struct stream_row *stream = &ledger->streams[shot->stream];
	char label[NAME_SIZE];
	json_t *out = json_pack(
		"{s:s, s:I, s:I, s:s, s:o, s:b, s:b, s:o, s:o, s:i, s:i}", "stream", stream->name,
		"seq", (json_int_t)record->seq, "pts_ms", (json_int_t)(record->pts / NS_PER_MS),
		"label", caption_label(ledger, record->label, label), "drops_before",
		caption_drops(record->drops_before), "bypassed", shot->bypassed, "quarantined",
		shot->quarantined, "published_us", us_between(record->captured, record->published),
		"shown_us", us_between(record->captured, shot->taken), "width", (int)stream->width,
		"height", (int)stream->height);
	if (!out)
		return NULL;
	if (!shot->bypassed)
		add_processed(ledger, record, out);
	char *text = json_dumps(out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(4));
	json_decref(out);
	return text;
}
