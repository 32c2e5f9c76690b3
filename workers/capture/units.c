/* Two ends: packets by decoding, pictures by presentation; in between a ring of what the decoder
 * has. */
#include "workers/capture/units.h"

#include "ipc/base/errors.h"
#include "workers/capture/reader.h"

#include <libavcodec/bsf.h>
#include <stdlib.h>
#include <string.h>

/* More than any decoder keeps back. */
#define RING 64

#define PARAMETERS_MAX 4096

enum nal { NAL_SLICE = 1, NAL_IDR = 5, NAL_SPS = 7, NAL_PPS = 8, NAL_DELIMITER = 9 };

struct units {
	AVBSFContext *filter;
	int64_t step;

	/* by decoding */
	bool sound; /* nothing was missing since the group began */
	int64_t mark, dts;
	uint64_t group;
	uint32_t number;		    /* of the next unit */
	uint8_t parameters[PARAMETERS_MAX]; /* the sets in force */
	size_t parameters_size;

	struct unit ring[RING]; /* by mark; without a packet: no unit */

	/* by presentation */
	bool whole;	/* every picture of the group came with its unit */
	uint64_t shown; /* group */
	uint32_t position, highest;
	struct unit out; /* handed out */
};

/* What is in an access unit. */
struct content {
	bool slice, idr, sps, pps;
	size_t delimited; /* where the delimiter ends that it begins with; 0: it has none */
};

/* ---- Annex B ---- */

/* The next start code (00 00 01) at or behind `at`; `size`: none. */
static size_t find_start(const uint8_t *bytes, size_t size, size_t at)
{
	for (; at + 3 < size; at++)
		if (bytes[at] == 0 && bytes[at + 1] == 0 && bytes[at + 2] == 1)
			return at;
	return size;
}

/* The zeros before a start code belong to it. */
static size_t without_zeros(const uint8_t *bytes, size_t begin, size_t end)
{
	while (end > begin && bytes[end - 1] == 0)
		end--;
	return end;
}

/* Keeps a parameter set as it was sent. An SPS begins anew: it comes with all that go with it. */
static void keep_parameters(struct units *u, const uint8_t *nal, size_t size,
			    struct content *content)
{
	static const uint8_t start[] = {0, 0, 0, 1};
	bool sps = (nal[0] & 31) == NAL_SPS;
	if (sps && !content->sps && !content->pps)
		u->parameters_size = 0;
	if (memmem(u->parameters, u->parameters_size, nal, size))
		return;
	if (size > sizeof(u->parameters) - u->parameters_size - sizeof(start)) {
		u->parameters_size = 0; /* only an IDR that brings its own will do */
		return;
	}
	memcpy(u->parameters + u->parameters_size, start, sizeof(start));
	memcpy(u->parameters + u->parameters_size + sizeof(start), nal, size);
	u->parameters_size += sizeof(start) + size;
}

static void look_at(struct units *u, const uint8_t *nal, size_t size, struct content *content)
{
	int type = nal[0] & 31;
	if (type == NAL_SPS || type == NAL_PPS)
		keep_parameters(u, nal, size, content);
	content->slice |= type >= NAL_SLICE && type <= NAL_IDR;
	content->idr |= type == NAL_IDR;
	content->sps |= type == NAL_SPS;
	content->pps |= type == NAL_PPS;
}

/* Keeps its parameter sets on the way. */
static struct content look_into(struct units *u, const uint8_t *bytes, size_t size)
{
	struct content content = {0};
	size_t at = find_start(bytes, size, 0);
	bool first = true;
	while (at < size) {
		size_t begin = at + 3, next = find_start(bytes, size, begin);
		size_t end = without_zeros(bytes, begin, next);
		if (end > begin)
			look_at(u, bytes + begin, end - begin, &content);
		if (first && (bytes[begin] & 31) == NAL_DELIMITER)
			content.delimited = end;
		first = false;
		at = next;
	}
	return content;
}

/* An IDR picture that comes without its parameter sets gets them, behind the delimiter. */
static int add_parameters(const struct units *u, AVPacket *packet, size_t at)
{
	size_t size = (size_t)packet->size, more = u->parameters_size;
	if (av_grow_packet(packet, (int)more) < 0)
		return TROUPE_E_MEMORY;
	memmove(packet->data + at + more, packet->data + at, size - at);
	memcpy(packet->data + at, u->parameters, more);
	return 0;
}

/* ---- by decoding ---- */

static AVPacket *to_annex_b(struct units *u, const AVPacket *packet)
{
	AVPacket *out = av_packet_clone(packet);
	int rc = out ? av_bsf_send_packet(u->filter, out) : AVERROR(ENOMEM);
	if (rc >= 0)
		rc = av_bsf_receive_packet(u->filter, out);
	if (rc >= 0)
		return out;
	av_bsf_flush(u->filter);
	av_packet_free(&out);
	return NULL;
}

static bool is_damaged(const AVPacket *packet)
{
	return packet->flags & AV_PKT_FLAG_CORRUPT ||
	       av_packet_get_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, NULL);
}

/* Whether the unit goes on in its group, or begins one. */
static bool belongs(struct units *u, AVPacket *packet, const struct content *content)
{
	if (!content->slice) {
		u->sound = u->sound && !content->sps && !content->pps; /* they are in no unit */
		return false;
	}
	if (content->idr) {
		u->group++;
		u->number = 0;
		u->sound = content->sps
				   ? content->pps
				   : u->parameters_size > 0 &&
					     add_parameters(u, packet, content->delimited) == 0;
	}
	if (u->number >= GROUP_MAX)
		u->sound = false;
	return u->sound;
}

static int64_t grow(struct units *u, int64_t dts)
{
	if (dts == READER_NO_PTS)
		dts = u->dts == READER_NO_PTS ? 0 : u->dts + u->step;
	if (u->dts != READER_NO_PTS && dts <= u->dts)
		dts = u->dts + 1;
	return u->dts = dts;
}

int64_t units_put(struct units *u, const AVPacket *packet, int64_t dts)
{
	struct unit *unit = &u->ring[++u->mark % RING];
	av_packet_free(&unit->packet);
	AVPacket *own = is_damaged(packet) ? NULL : to_annex_b(u, packet);
	if (!own) {
		u->sound = false;
		return u->mark;
	}
	struct content content = look_into(u, own->data, (size_t)own->size);
	if (!belongs(u, own, &content)) {
		av_packet_free(&own);
		return u->mark;
	}
	*unit = (struct unit){
		.packet = own,
		.dts = grow(u, dts),
		.group = u->group,
		.number = u->number++,
		.key = content.idr,
	};
	return u->mark;
}

void units_refused(struct units *u)
{
	u->sound = false;
	av_packet_free(&u->ring[u->mark % RING].packet);
}

/* ---- by presentation ---- */

/* Finds the unit of a mark and takes it out of the ring. */
static bool take_out(struct units *u, int64_t mark)
{
	av_packet_free(&u->out.packet);
	if (mark <= u->mark - RING || mark > u->mark)
		return false;
	struct unit *unit = &u->ring[mark % RING];
	u->out = *unit;
	unit->packet = NULL;
	return u->out.packet;
}

const struct unit *units_take(struct units *u, int64_t mark, bool damaged, int delay)
{
	if (!take_out(u, mark)) {
		u->whole = false;
		return NULL;
	}
	struct unit *unit = &u->out;
	if (unit->key) {
		u->shown = unit->group;
		u->position = u->highest = 0;
		u->whole = true;
	} else {
		u->whole = u->whole && unit->group == u->shown;
		u->position++;
	}
	if (unit->number > u->highest)
		u->highest = unit->number;
	/* What is lacking is in the decoder, or it would never come. */
	uint32_t lacks = u->highest - u->position;
	if (damaged || u->highest < u->position || lacks > (uint32_t)delay)
		u->whole = false;
	unit->position = u->position;
	unit->lacks = (uint16_t)lacks;
	return u->whole ? unit : NULL;
}

/* ---- its life ---- */

void units_flush(struct units *u)
{
	av_bsf_flush(u->filter);
	for (int i = 0; i < RING; i++)
		av_packet_free(&u->ring[i].packet);
	u->sound = u->whole = false;
	u->dts = READER_NO_PTS;
}

static int open_filter(struct units *u, const AVCodecParameters *parameters)
{
	const AVBitStreamFilter *filter = av_bsf_get_by_name("h264_mp4toannexb");
	if (!filter)
		return TROUPE_E_CONFIG;
	if (av_bsf_alloc(filter, &u->filter) < 0 ||
	    avcodec_parameters_copy(u->filter->par_in, parameters) < 0)
		return TROUPE_E_MEMORY;
	if (av_bsf_init(u->filter) < 0)
		return TROUPE_E_CONFIG;
	const AVCodecParameters *out = u->filter->par_out;
	if (out->extradata)
		look_into(u, out->extradata, (size_t)out->extradata_size);
	return 0;
}

int units_create(struct units **units, const AVCodecParameters *parameters, int64_t step)
{
	struct units *u = calloc(1, sizeof(*u));
	if (!u)
		return TROUPE_E_MEMORY;
	u->step = step;
	u->dts = READER_NO_PTS;
	int rc = open_filter(u, parameters);
	if (rc < 0) {
		units_destroy(u);
		return rc;
	}
	*units = u;
	return 0;
}

void units_destroy(struct units *u)
{
	if (!u)
		return;
	for (int i = 0; i < RING; i++)
		av_packet_free(&u->ring[i].packet);
	av_packet_free(&u->out.packet);
	av_bsf_free(&u->filter);
	free(u);
}
