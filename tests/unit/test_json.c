/* Messages as JSON: every type of field, and values that JSON does not have. */
#include "ipc/links/json.h"
#include "schemas/control.pb-c.h"
#include "tests/unit/every_field.pb-c.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The message's JSON is this text (members in any order). */
static void assert_json(const ProtobufCMessage *message, const char *expected)
{
	json_error_t error;
	json_t *wanted = json_loads(expected, 0, &error);
	assert_non_null(wanted);
	json_t *got = message_json(message);
	assert_non_null(got);
	if (!json_equal(wanted, got)) {
		char *text = json_dumps(got, 0);
		print_error("got %s\n", text);
		free(text);
		fail();
	}
	json_decref(wanted);
	json_decref(got);
}

/* Scalars that proto3 does not send are shown all the same; what can be unset and is, is left out.
 */
static void test_empty(void **state)
{
	(void)state;
	Test__Every every = TEST__EVERY__INIT;
	assert_json(&every.base,
		    "{\"real\":0.0,\"small_real\":0.0,\"whole\":0,\"whole64\":0,\"natural\":0,"
		    "\"natural64\":0,\"zigzag\":0,\"fixed\":0,\"signed_fixed\":0,\"flag\":false,"
		    "\"text\":\"\",\"raw\":\"\",\"colour\":\"RED\",\"parts\":[],\"texts\":[],"
		    "\"wholes\":[],\"flags\":[],\"raws\":[],\"colours\":[]}");
}

static void test_every_scalar(void **state)
{
	(void)state;
	Test__Every every = TEST__EVERY__INIT;
	uint8_t raw[] = {0x00, 0xff, 0x1a};
	char text[] = "größer \"q\"\n";
	every.real = 0.1;
	every.small_real = 0.5f;
	every.whole = INT32_MIN;
	every.whole64 = INT64_MIN;
	every.natural = UINT32_MAX;
	every.natural64 = INT64_MAX;
	every.zigzag = -3;
	every.fixed = 9;
	every.signed_fixed = -1;
	every.flag = 1;
	every.text = text;
	every.raw = (ProtobufCBinaryData){.data = raw, .len = sizeof(raw)};
	every.colour = TEST__COLOUR__GREEN;
	assert_json(&every.base,
		    "{\"real\":0.1,\"small_real\":0.5,\"whole\":-2147483648,"
		    "\"whole64\":-9223372036854775808,\"natural\":4294967295,"
		    "\"natural64\":9223372036854775807,\"zigzag\":-3,\"fixed\":9,"
		    "\"signed_fixed\":-1,\"flag\":true,\"text\":\"größer \\\"q\\\"\\n\","
		    "\"raw\":\"00ff1a\",\"colour\":\"GREEN\",\"parts\":[],\"texts\":[],"
		    "\"wholes\":[],\"flags\":[],\"raws\":[],\"colours\":[]}");
}

/* Only the members of interest. */
static void assert_member(const ProtobufCMessage *message, const char *name, const char *expected)
{
	json_t *got = message_json(message), *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
	assert_non_null(got);
	assert_non_null(wanted);
	assert_true(json_equal(json_object_get(got, name), wanted));
	json_decref(got);
	json_decref(wanted);
}

static void test_repeated_and_nested(void **state)
{
	(void)state;
	Test__Every every = TEST__EVERY__INIT;
	Test__Part one = TEST__PART__INIT, two = TEST__PART__INIT, *parts[] = {&one, &two};
	char name[] = "one", a[] = "a", b[] = "b", *texts[] = {a, b};
	int64_t wholes[] = {1, -1, INT64_MAX};
	protobuf_c_boolean flags[] = {1, 0, 1};
	ProtobufCBinaryData raws[] = {{.data = (uint8_t *)name, .len = 1}, {.len = 0}};
	Test__Colour colours[] = {TEST__COLOUR__GREEN, TEST__COLOUR__RED, (Test__Colour)99};
	one.name = name;
	every.part = &one;
	every.n_parts = 2;
	every.parts = parts;
	every.n_texts = 2;
	every.texts = texts;
	every.n_wholes = 3;
	every.wholes = wholes;
	every.n_flags = 3;
	every.flags = flags;
	every.n_raws = 2;
	every.raws = raws;
	every.n_colours = 3;
	every.colours = colours;
	assert_member(&every.base, "part", "{\"name\":\"one\"}");
	assert_member(&every.base, "parts", "[{\"name\":\"one\"},{\"name\":\"\"}]");
	assert_member(&every.base, "texts", "[\"a\",\"b\"]");
	assert_member(&every.base, "wholes", "[1,-1,9223372036854775807]");
	assert_member(&every.base, "flags", "[true,false,true]");
	assert_member(&every.base, "raws", "[\"6f\",\"\"]");
	assert_member(&every.base, "colours", "[\"GREEN\",\"RED\",99]");
}

static void test_one_of_several(void **state)
{
	(void)state;
	Test__Every every = TEST__EVERY__INIT;
	Test__Part part = TEST__PART__INIT;
	every.either_case = TEST__EVERY__EITHER_NUMBER;
	every.number = 0;
	assert_member(&every.base, "number", "0");
	every.either_case = TEST__EVERY__EITHER_THING;
	every.thing = &part;
	assert_member(&every.base, "thing", "{\"name\":\"\"}");
	json_t *json = message_json(&every.base);
	assert_null(json_object_get(json, "number"));
	json_decref(json);
	Troupe__Request request = TROUPE__REQUEST__INIT;
	assert_json(&request.base, "{\"id\":0,\"deadline\":0}");
}

static void test_numbers_that_json_lacks(void **state)
{
	(void)state;
	Test__Every every = TEST__EVERY__INIT;
	every.real = NAN;
	every.small_real = INFINITY;
	every.natural64 = UINT64_MAX;
	assert_member(&every.base, "real", "null");
	assert_member(&every.base, "small_real", "null");
	assert_member(&every.base, "natural64", "18446744073709551616.0");
}

static void test_texts_that_are_not_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *text, *json;
	} rows[] = {
		{"a\xff"
		 "b",
		 "\"a?b\""},
		{"\xc3\xbc\xc3", "\"ü?\""},	  /* cut in the middle of a character */
		{"\xc0\xaf", "\"??\""},		  /* longer than needed */
		{"\xed\xa0\x80", "\"???\""},	  /* half of a pair */
		{"\xf4\x90\x80\x80", "\"????\""}, /* beyond the last character */
		{"\xf0\x9f\x8e\xad\xfe", "\"🎭?\""},
		{"\xe2\x82", "\"??\""},
	};
	Test__Part part = TEST__PART__INIT;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[32];
		snprintf(text, sizeof(text), "%s", rows[i].text);
		part.name = text;
		assert_member(&part.base, "name", rows[i].json);
	}
	part.name = NULL;
	assert_member(&part.base, "name", "\"\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_every_scalar),
		cmocka_unit_test(test_repeated_and_nested),
		cmocka_unit_test(test_one_of_several),
		cmocka_unit_test(test_numbers_that_json_lacks),
		cmocka_unit_test(test_texts_that_are_not_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
