/* Records: what goes in comes out, and no bit can be changed without being found. */
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct encoded {
	struct record record;
	uint8_t coded[RIG_CODED_MAX];
	uint32_t length;
	uint8_t bytes[1024];
};

static void encode(struct encoded *encoded, uint64_t seq)
{
	memset(encoded, 0, sizeof(*encoded));
	rig_frame(seq, &encoded->record, encoded->coded);
	encoded->length = record_length(CODING_JPEG, encoded->record.coded_bytes);
	assert_in_range(encoded->length, RECORD_HEADER, sizeof(encoded->bytes));
	record_encode(&encoded->record, encoded->coded, encoded->bytes);
}

static void round_trip(void **state)
{
	struct encoded encoded;
	struct record record;
	const uint8_t *coded;

	(void)state;
	/* Coded bytes of every remainder by 8. */
	for (uint64_t seq = 1; seq <= 50; seq++) {
		encode(&encoded, seq);
		assert_int_equal(encoded.length % 8, 0);
		memset(&record, 0xff, sizeof(record));
		assert_int_equal(record_decode(encoded.bytes, encoded.length, &record, &coded), 0);
		rig_same(&record, coded, &encoded.record, encoded.coded);
	}
}

/* The documented bytes, written down once more by hand. */
static void documented_places(void **state)
{
	struct encoded encoded;

	(void)state;
	encode(&encoded, 0x0102030405);
	assert_memory_equal(encoded.bytes, "TREC\xf0\0\0\0", 8);
	assert_string_equal((char *)encoded.bytes + 24, RIG_STREAM);
	assert_memory_equal(encoded.bytes + 56, "\x05\x04\x03\x02\x01\0\0\0", 8);
	assert_string_equal((char *)encoded.bytes + 120, "circle");
	assert_string_equal((char *)encoded.bytes + 152, "square");
	assert_memory_equal(encoded.bytes + 240, encoded.coded, encoded.record.coded_bytes);
}

static void access_units_say_more(void **state)
{
	struct encoded encoded;
	struct record record;
	const uint8_t *coded;

	(void)state;
	encode(&encoded, 3);
	encoded.record.coding = CODING_H264;
	encoded.record.dts = -2;
	encoded.record.lacks = 0x102;
	encoded.length = record_length(CODING_H264, encoded.record.coded_bytes);
	record_encode(&encoded.record, encoded.coded, encoded.bytes);
	assert_memory_equal(encoded.bytes + 220, "\1\0\0\0", 4);
	assert_memory_equal(encoded.bytes + 240, "\xfe\xff\xff\xff\xff\xff\xff\xff\2\1\0\0\0\0\0\0",
			    16);
	assert_memory_equal(encoded.bytes + 256, encoded.coded, encoded.record.coded_bytes);
	assert_int_equal(record_decode(encoded.bytes, encoded.length, &record, &coded), 0);
	assert_int_equal(record.dts, -2);
	assert_int_equal(record.lacks, 0x102);
	rig_same(&record, coded, &encoded.record, encoded.coded);
}

static void every_flipped_bit_is_found(void **state)
{
	struct encoded encoded;
	struct record record;

	(void)state;
	encode(&encoded, 3);
	for (uint32_t bit = 0; bit < encoded.length * 8; bit++) {
		encoded.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(record_decode(encoded.bytes, encoded.length, &record, NULL) < 0);
		encoded.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(record_decode(encoded.bytes, encoded.length, &record, NULL), 0);
}

static void every_cut_is_found(void **state)
{
	struct encoded encoded;
	struct record record;

	(void)state;
	encode(&encoded, 4);
	for (uint32_t size = 0; size < encoded.length; size++) {
		/* A block of its own, so that a sanitizer sees a read behind the end. */
		uint8_t *cut = malloc(size > 0 ? size : 1);

		assert_non_null(cut);
		memcpy(cut, encoded.bytes, size);
		assert_int_equal(record_decode(cut, size, &record, NULL), TROUPE_E_TRUNCATED);
		free(cut);
	}
}

static void no_record_is_too_long(void **state)
{
	(void)state;
	assert_int_equal(record_length(CODING_JPEG, 0), 248);
	assert_int_equal(record_length(CODING_JPEG, UINT32_MAX), 0);
	assert_int_equal(record_length(CODING_JPEG, RECORD_MAX), 0);
	assert_int_equal(record_length(CODING_JPEG, RECORD_MAX - 248), RECORD_MAX);
}

static void long_names_are_cut(void **state)
{
	struct encoded encoded;
	struct record record;

	(void)state;
	encode(&encoded, 5);
	memset(encoded.record.label, 'x', NAME_SIZE);
	record_encode(&encoded.record, encoded.coded, encoded.bytes);
	assert_int_equal(record_decode(encoded.bytes, encoded.length, &record, NULL), 0);
	assert_int_equal(strlen(record.label), NAME_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(documented_places),
		cmocka_unit_test(access_units_say_more),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(every_cut_is_found),
		cmocka_unit_test(no_record_is_too_long),
		cmocka_unit_test(long_names_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
