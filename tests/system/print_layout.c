/* Prints the numbers of the contract as the C code has them: where the fields of the ledger lie and
 * how wide they are, descriptors, exit codes, messages, words. What implementations in other
 * languages, and docs/writing-a-worker.md, are compared with. */
#include "ipc/base/crc32c.h"
#include "ipc/links/message.h"
#include "ipc/slots/stations.h"
#include "ipc/worker/contract.h"

#include <stdio.h>

#define SAY(type, field)                                                                           \
	printf(#type " " #field " %zu\nwidth " #type "." #field " %zu\n",                          \
	       offsetof(struct type, field), sizeof(((struct type *)0)->field))

static void print_header(void)
{
	SAY(ledger_header, magic);
	SAY(ledger_header, version);
	SAY(ledger_header, n_streams);
	SAY(ledger_header, n_slots);
	SAY(ledger_header, n_taps);
	SAY(ledger_header, size);
	SAY(ledger_header, run);
	SAY(ledger_header, streams_at);
	SAY(ledger_header, seats_at);
	SAY(ledger_header, taps_at);
	SAY(ledger_header, words_at);
	SAY(ledger_header, records_at);
	SAY(ledger_header, areas_at);
	SAY(ledger_header, playback_areas_at);
	SAY(ledger_header, stations_at);
	SAY(ledger_header, supervisor_pid);
	SAY(ledger_header, bypass_after);
	SAY(ledger_header, labels);
	SAY(ledger_header, n_labels);
	SAY(ledger_header, idle);
	SAY(ledger_header, asked);
	SAY(ledger_header, waiting);
	SAY(ledger_header, bells_all);
	SAY(ledger_header, orphan_wait);
}

static void print_rows(void)
{
	SAY(stream_row, name);
	SAY(stream_row, first_slot);
	SAY(stream_row, n_slots);
	SAY(stream_row, width);
	SAY(stream_row, height);
	SAY(stream_row, view_width);
	SAY(stream_row, view_height);
	SAY(stream_row, fps_num);
	SAY(stream_row, fps_den);
	SAY(stream_row, quality);
	SAY(stream_row, image_size);
	SAY(stream_row, view_size);
	SAY(stream_row, coded_size);
	SAY(stream_row, owner);
	SAY(stream_row, served);
	SAY(seat_row, worker);
	SAY(seat_row, state);
	SAY(seat_row, incarnation);
	SAY(seat_row, pid);
	SAY(seat_row, standby);
	SAY(seat_row, progress);
	SAY(seat_row, due);
	SAY(seat_row, frames);
	SAY(seat_row, turns);
	SAY(seat_row, alive);
	SAY(seat_row, counts);
	SAY(seat_row, counted);
	SAY(tap_row, name);
	SAY(tap_row, owner);
	SAY(tap_row, written_off);
}

static void print_record(void)
{
	SAY(slot_record, seq);
	SAY(slot_record, source_index);
	SAY(slot_record, ordinal);
	SAY(slot_record, pts);
	SAY(slot_record, captured);
	SAY(slot_record, captured_wall);
	SAY(slot_record, published);
	SAY(slot_record, label);
	SAY(slot_record, coded_bytes);
	SAY(slot_record, thumb);
	SAY(slot_record, thumb_before);
	SAY(slot_record, claimed);
	SAY(slot_record, finished);
	SAY(slot_record, model_version);
	SAY(slot_record, motion);
	SAY(slot_record, probability);
	SAY(slot_record, prediction);
	SAY(slot_record, processor);
	SAY(slot_record, coded_at_source);
}

/* Which bucket counts what took so long: around where each of them begins. */
static void print_buckets(void)
{
	for (int shift = 0; shift < 42; shift++) {
		for (int64_t quarter = 4; quarter < 8; quarter++) {
			int64_t took = quarter << shift;
			printf("bucket %lld %u\n", (long long)took - 1, station_bucket(took - 1));
			printf("bucket %lld %u\n", (long long)took, station_bucket(took));
		}
	}
}

#define SAY_NUMBER(what, prefix, name)	       printf(what " " #name " %d\n", (int)prefix##name)
#define SAY_MESSAGE(name, number, type, limit) SAY_NUMBER("message", MESSAGE_, name);

static void print_contract(void)
{
	SAY_NUMBER("descriptor", CONTRACT_FD_, CONFIG);
	SAY_NUMBER("descriptor", CONTRACT_FD_, LEDGER);
	SAY_NUMBER("descriptor", CONTRACT_FD_, LIFE);
	SAY_NUMBER("descriptor", CONTRACT_FD_, HANDED);
	SAY_NUMBER("descriptor", CONTRACT_FD_, EARS);
	SAY_NUMBER("descriptor", CONTRACT_FD_, BELLS);
	SAY_NUMBER("exit", CONTRACT_EXIT_, ASKED);
	SAY_NUMBER("exit", CONTRACT_EXIT_, CONFIG);
	SAY_NUMBER("exit", CONTRACT_EXIT_, BUG);
	SAY_NUMBER("exit", CONTRACT_EXIT_, ENVIRONMENT);
	MESSAGE_KINDS(SAY_MESSAGE)
	SAY_NUMBER("phase", PHASE_, FREE);
	SAY_NUMBER("phase", PHASE_, FILLING);
	SAY_NUMBER("phase", PHASE_, QUEUED);
	SAY_NUMBER("phase", PHASE_, HELD);
	SAY_NUMBER("phase", PHASE_, DONE);
	SAY_NUMBER("phase", PHASE_, ASIDE);
	SAY_NUMBER("mark", MARK_, BYPASSED);
	SAY_NUMBER("mark", MARK_, QUARANTINED);
	SAY_NUMBER("mark", MARK_, SPOILED);
}

int main(void)
{
	print_contract();
	print_buckets();
	print_header();
	print_rows();
	print_record();
	printf("size stream_row %zu\nsize seat_row %zu\nsize tap_row %zu\nsize slot_record %zu\n"
	       "size station_row %zu\n",
	       sizeof(struct stream_row), sizeof(struct seat_row), sizeof(struct tap_row),
	       sizeof(struct slot_record), sizeof(struct station_row));
	printf("magic ledger %llu\nversion ledger %d\n", (unsigned long long)LEDGER_MAGIC,
	       LEDGER_VERSION);
	printf("crc32c troupe %u\n", crc32c(0, "troupe", 6));
	return 0;
}
