/* CRC-32C against published values (RFC 3720, B.4), and one implementation against the other. */
#include "ipc/base/crc32c.h"
#include "tests/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_published_values(void **state)
{
	(void)state;
	uint8_t zeros[32] = {0}, ones[32], rising[32];
	memset(ones, 0xff, sizeof(ones));
	for (size_t i = 0; i < sizeof(rising); i++)
		rising[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	assert_int_equal(crc32c(0, ones, sizeof(ones)), 0x62a8ab43);
	assert_int_equal(crc32c(0, rising, sizeof(rising)), 0x46dd794e);
	assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void test_both_agree_at_any_start_length_and_cut(void **state)
{
	(void)state;
	uint64_t random = 1;
	uint8_t bytes[300];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)sample_random(&random);
	for (size_t start = 0; start < 9; start++) {
		for (size_t length = 0; length < sizeof(bytes) - 9; length++) {
			uint32_t whole = crc32c(0, bytes + start, length);
			size_t cut = sample_random(&random) % (length + 1);
			uint32_t first = crc32c(0, bytes + start, cut);
			assert_int_equal(whole, crc32c_portable(0, bytes + start, length));
			assert_int_equal(whole, crc32c(first, bytes + start + cut, length - cut));
		}
	}
}

/* Long enough for the lanes of the fast one, with every length of what is left over behind them. */
static void test_both_agree_on_long_data(void **state)
{
	(void)state;
	uint64_t random = 2;
	static uint8_t bytes[20000];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)sample_random(&random);
	for (size_t length = 3000; length < sizeof(bytes) - 8; length += 97) {
		size_t start = sample_random(&random) % 8;
		uint32_t seed = (uint32_t)sample_random(&random);
		assert_int_equal(crc32c(seed, bytes + start, length),
				 crc32c_portable(seed, bytes + start, length));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_values),
		cmocka_unit_test(test_both_agree_at_any_start_length_and_cut),
		cmocka_unit_test(test_both_agree_on_long_data),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
