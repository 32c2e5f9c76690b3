/* Messages: every kind there and back, and everything that can be wrong with one. */
#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"
#include "ipc/links/json.h"
#include "ipc/links/message.h"
#include "schemas/control.pb-c.h"
#include "schemas/life.pb-c.h"
#include "tests/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t *pack_sample(size_t i, uint64_t seed, size_t *size)
{
	ProtobufCMessage *message = sample_message(i, seed);
	uint8_t *bytes = message_pack(sample_kind(i), message, size);
	message_free(message);
	assert_non_null(bytes);
	return bytes;
}

/* Unpacks from a block of exactly that size, so that AddressSanitizer sees a read behind its end.
 */
static int unpack(const uint8_t *bytes, size_t size)
{
	enum message_kind kind;
	ProtobufCMessage *message;
	uint8_t *exact = malloc(size ? size : 1);
	assert_non_null(exact);
	memcpy(exact, bytes, size);
	int rc = message_unpack(exact, size, &kind, &message);
	free(exact);
	if (rc == 0)
		message_free(message);
	return rc;
}

static void round_trip(size_t i, uint64_t seed)
{
	enum message_kind kind;
	ProtobufCMessage *got, *sent = sample_message(i, seed);
	size_t size;
	uint8_t *bytes = message_pack(sample_kind(i), sent, &size);
	assert_non_null(bytes);
	assert_int_equal(message_unpack(bytes, size, &kind, &got), 0);
	assert_int_equal(kind, sample_kind(i));
	assert_int_equal(message_kind_of(got), kind);
	json_t *before = message_json(sent), *after = message_json(got);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
	message_free(got);
	message_free(sent);
	free(bytes);
}

static void test_every_kind_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < sample_kinds(); i++)
		for (uint64_t seed = 0; seed < 100; seed++)
			round_trip(i, seed);
}

static void test_layout_of_the_header(void **state)
{
	(void)state;
	Troupe__Dump dump = TROUPE__DUMP__INIT;
	dump.id = 5;
	size_t size;
	uint8_t *bytes = message_pack(MESSAGE_DUMP, &dump.base, &size);
	uint32_t sum = crc32c(0, "\x08\x05", 2);
	const uint8_t expected[] = {'t',
				    'r',
				    'p',
				    '1',
				    1,
				    0,
				    7,
				    0,
				    2,
				    0,
				    0,
				    0,
				    (uint8_t)sum,
				    (uint8_t)(sum >> 8),
				    (uint8_t)(sum >> 16),
				    (uint8_t)(sum >> 24),
				    0x08,
				    0x05};
	assert_int_equal(size, sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	free(bytes);
}

static void test_truncated_at_every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < sample_kinds(); i++) {
		size_t size;
		uint8_t *bytes = pack_sample(i, 1, &size);
		for (size_t length = 0; length < size; length++)
			assert_int_equal(unpack(bytes, length), TROUPE_E_TRUNCATED);
		assert_int_equal(unpack(bytes, size), 0);
		free(bytes);
	}
}

/* Unpacks a Hello with one byte of it changed. */
static int unpack_changed(size_t at, uint8_t mask)
{
	size_t size;
	uint8_t *bytes = pack_sample(0, 3, &size);
	assert_true(at < size);
	bytes[at] ^= mask;
	int rc = unpack(bytes, size);
	free(bytes);
	return rc;
}

static void test_refused_by_name(void **state)
{
	(void)state;
	for (size_t at = 0; at < 4; at++)
		assert_int_equal(unpack_changed(at, 0x20), TROUPE_E_MALFORMED);
	assert_int_equal(unpack_changed(4, 0x03), TROUPE_E_SCHEMA);
	assert_int_equal(unpack_changed(5, 0x01), TROUPE_E_SCHEMA);
	assert_int_equal(unpack_changed(6, 0x80), TROUPE_E_MALFORMED);
	assert_int_equal(unpack_changed(7, 0x01), TROUPE_E_MALFORMED);
	assert_int_equal(unpack_changed(11, 0xff), TROUPE_E_OVERSIZED);
	for (size_t at = 12; at < 20; at++)
		for (int bit = 0; bit < 8; bit++)
			assert_int_equal(unpack_changed(at, (uint8_t)(1 << bit)), TROUPE_E_CORRUPT);
}

static void test_one_byte_too_many(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = pack_sample(0, 3, &size);
	uint8_t *longer = realloc(bytes, size + 1);
	assert_non_null(longer);
	longer[size] = 0;
	assert_int_equal(unpack(longer, size + 1), TROUPE_E_OVERSIZED);
	free(longer);
}

/* A header that is right, with any body behind it. */
static int unpack_body(enum message_kind kind, const uint8_t *body, size_t length)
{
	static const uint8_t start[] = {'t', 'r', 'p', '1', MESSAGE_SCHEMA};
	uint32_t sum = crc32c(0, body, length);
	uint8_t *bytes = calloc(1, MESSAGE_HEADER_SIZE + length);
	assert_non_null(bytes);
	memcpy(bytes, start, sizeof(start));
	bytes[6] = (uint8_t)kind;
	for (unsigned i = 0; i < 4; i++) {
		bytes[8 + i] = (uint8_t)(length >> 8 * i);
		bytes[12 + i] = (uint8_t)(sum >> 8 * i);
	}
	memcpy(bytes + MESSAGE_HEADER_SIZE, body, length);
	int rc = unpack(bytes, MESSAGE_HEADER_SIZE + length);
	free(bytes);
	return rc;
}

static void test_limits_hold_both_ways(void **state)
{
	(void)state;
	uint8_t *body = calloc(1, 1u << 21);
	assert_non_null(body);
	for (size_t i = 0; i < sample_kinds(); i++)
		assert_int_equal(unpack_body(sample_kind(i), body, sample_limit(i) + 1),
				 TROUPE_E_OVERSIZED);
	memset(body, 'x', 300);
	Troupe__Drain drain = TROUPE__DRAIN__INIT;
	drain.why = (char *)body;
	size_t size;
	assert_null(message_pack(MESSAGE_DRAIN, &drain.base, &size));
	body[200] = '\0';
	uint8_t *bytes = message_pack(MESSAGE_DRAIN, &drain.base, &size);
	assert_non_null(bytes);
	free(bytes);
	free(body);
}

static void test_body_must_be_protobuf_to_its_end(void **state)
{
	(void)state;
	static const uint8_t good[] = {0x08, 0x01}, garbage[] = {0x08, 0x01, 0xff, 0xff, 0xff},
			     unknown[] = {0x08, 0x01, 0xf8, 0x07, 0x05};
	assert_int_equal(unpack_body(MESSAGE_DUMP, good, sizeof(good)), 0);
	assert_int_equal(unpack_body(MESSAGE_DUMP, garbage, sizeof(garbage)), TROUPE_E_MALFORMED);
	/* Field 0, in two bytes; and the same within a part of a Dumped (row {field 0: 1}). */
	static const uint8_t zero[] = {0x80, 0x00, 0x01}, inner[] = {0x22, 0x03, 0x80, 0x00, 0x01};
	assert_int_equal(unpack_body(MESSAGE_DUMP, zero, sizeof(zero)), TROUPE_E_MALFORMED);
	assert_int_equal(unpack_body(MESSAGE_DUMPED, inner, sizeof(inner)), TROUPE_E_MALFORMED);
	/* A field of a later version that this one does not know is no error. */
	assert_int_equal(unpack_body(MESSAGE_DUMP, unknown, sizeof(unknown)), 0);
}

static void test_any_body_is_taken_or_refused(void **state)
{
	(void)state;
	uint64_t random = 20240131;
	uint8_t body[256];
	for (int turn = 0; turn < 20000; turn++) {
		size_t length = sample_random(&random) % (sizeof(body) + 1);
		for (size_t i = 0; i < length; i++)
			body[i] = (uint8_t)sample_random(&random);
		enum message_kind kind = sample_kind(sample_random(&random) % sample_kinds());
		int rc = unpack_body(kind, body, length);
		assert_true(rc == 0 || rc == TROUPE_E_MALFORMED);
		assert_true(unpack(body, length) < 0);
	}
}

static void test_another_type_is_not_packed(void **state)
{
	(void)state;
	Troupe__Stop stop = TROUPE__STOP__INIT;
	size_t size;
	assert_null(message_pack(MESSAGE_DRAIN, &stop.base, &size));
	assert_null(message_pack((enum message_kind)999, &stop.base, &size));
}

static void test_names_and_traces(void **state)
{
	(void)state;
	char line[200], small[12];
	char why[] = "a\"b\n0123456789012345678901234567890123456789012345678901234567890123456789";
	Troupe__Stop stop = TROUPE__STOP__INIT;
	assert_string_equal(message_trace(&stop.base, line, sizeof(line)), "STOP why=\"\"");
	stop.why = why;
	assert_string_equal(message_name(MESSAGE_HELLO), "HELLO");
	assert_string_equal(message_name((enum message_kind)999), "UNKNOWN");
	assert_string_equal(message_trace(&stop.base, line, sizeof(line)),
			    "STOP why=\"a\\\"b\\x0a012345678901234567890123456789012345678901234567"
			    "890123456789...\"");
	assert_string_equal(message_trace(&stop.base, small, sizeof(small)), "STOP why=\"a");
	Troupe__Request request = TROUPE__REQUEST__INIT;
	Troupe__ScaleRequest scale = TROUPE__SCALE_REQUEST__INIT;
	request.id = UINT64_MAX;
	request.what_case = TROUPE__REQUEST__WHAT_SCALE;
	request.scale = &scale;
	scale.count = 3;
	assert_string_equal(
		message_trace(&request.base, line, sizeof(line)),
		"REQUEST id=18446744073709551615 deadline=0 scale={worker=\"\" count=3}");
}

/* Traces of anything into any size end within it. */
static void test_traces_stay_in_their_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < sample_kinds(); i++) {
		ProtobufCMessage *message = sample_message(i, 5);
		for (size_t size = 1; size < 300; size += 7) {
			char *out = malloc(size);
			assert_non_null(out);
			assert_true(strlen(message_trace(message, out, size)) < size);
			free(out);
		}
		message_free(message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_round_trip),
		cmocka_unit_test(test_layout_of_the_header),
		cmocka_unit_test(test_truncated_at_every_length),
		cmocka_unit_test(test_refused_by_name),
		cmocka_unit_test(test_one_byte_too_many),
		cmocka_unit_test(test_limits_hold_both_ways),
		cmocka_unit_test(test_body_must_be_protobuf_to_its_end),
		cmocka_unit_test(test_any_body_is_taken_or_refused),
		cmocka_unit_test(test_another_type_is_not_packed),
		cmocka_unit_test(test_names_and_traces),
		cmocka_unit_test(test_traces_stay_in_their_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
