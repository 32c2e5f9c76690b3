/* The model board: readers get whole models only, whoever writes, however it dies. */
#include "ipc/base/errors.h"
#include "ipc/slots/model.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define READERS	      3
#define THREAD_MODELS 400
#define KILLS	      60

/* A board alone in shared memory: nothing here needs more of a ledger. The board begins at a page.
 */
static void board_open(struct ledger *ledger)
{
	*ledger = (struct ledger){0};
	ledger->model = mmap(NULL, sizeof(struct model_board), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(ledger->model, MAP_FAILED);
}

static void board_close(struct ledger *ledger)
{
	munmap(ledger->model, sizeof(struct model_board));
}

/* A model that shows in every place which one it is. */
static void make_model(struct model_bank *bank, uint32_t tag)
{
	memset(bank, 0, sizeof(*bank));
	bank->classes = 1 + tag % LABELS_MAX;
	bank->features = MODEL_FEATURES_MAX;
	for (uint32_t c = 0; c < LABELS_MAX; c++) {
		bank->label[c] = (int32_t)tag;
		for (uint32_t f = 0; f < MODEL_FEATURES_MAX; f++)
			bank->weight[c][f] = (float)tag;
	}
}

/* The tag if the model is of one piece, UINT32_MAX if it is a mixture. */
static uint32_t model_tag(const struct model_bank *bank)
{
	uint32_t tag = (uint32_t)bank->label[0];
	bool whole = bank->classes == 1 + tag % LABELS_MAX && bank->features == MODEL_FEATURES_MAX;
	for (uint32_t c = 0; c < LABELS_MAX; c++) {
		whole = whole && bank->label[c] == (int32_t)tag;
		for (uint32_t f = 0; f < MODEL_FEATURES_MAX; f++)
			whole = whole && bank->weight[c][f] == (float)tag;
	}
	return whole ? tag : UINT32_MAX;
}

static void test_versions(void **state)
{
	(void)state;
	struct ledger ledger;
	static struct model_bank model, copy;
	board_open(&ledger);
	assert_int_equal(model_current(&ledger), 0);
	assert_int_equal(model_read(&ledger, 0, &copy), TROUPE_E_AGAIN);
	for (uint32_t tag = 1; tag <= 5; tag++) {
		make_model(&model, tag);
		assert_int_equal(model_publish(&ledger, &model), 0);
		assert_int_equal(model_current(&ledger), tag);
		assert_int_equal(model_read(&ledger, tag - 1, &copy), 0);
		assert_int_equal(copy.version, tag);
		assert_int_equal(copy.crc32c, model_checksum(&copy));
		assert_int_equal(model_tag(&copy), tag);
		assert_int_equal(model_read(&ledger, tag, &copy), TROUPE_E_AGAIN);
	}
	board_close(&ledger);
}

static void test_impossible_models(void **state)
{
	(void)state;
	struct ledger ledger;
	static struct model_bank model;
	board_open(&ledger);
	make_model(&model, 1);
	model.classes = LABELS_MAX + 1;
	assert_int_equal(model_publish(&ledger, &model), TROUPE_E_ARGUMENT);
	model.classes = 1;
	model.features = MODEL_FEATURES_MAX + 1;
	assert_int_equal(model_publish(&ledger, &model), TROUPE_E_ARGUMENT);
	assert_int_equal(model_current(&ledger), 0);
	board_close(&ledger);
}

static void test_damage_is_refused(void **state)
{
	(void)state;
	struct ledger ledger;
	static struct model_bank model, copy, good;
	board_open(&ledger);
	make_model(&model, 7);
	assert_int_equal(model_publish(&ledger, &model), 0);
	struct model_bank *bank = &ledger.model->bank[1];
	good = *bank;

	bank->weight[3][17] += 1;
	assert_int_equal(model_read(&ledger, 0, &copy), TROUPE_E_CORRUPT);
	*bank = good;
	bank->label[31] ^= 1;
	assert_int_equal(model_read(&ledger, 0, &copy), TROUPE_E_CORRUPT);
	*bank = good;
	bank->version = 3;
	assert_int_equal(model_read(&ledger, 0, &copy), TROUPE_E_CORRUPT);
	*bank = good;
	bank->classes = UINT32_MAX;
	assert_int_equal(model_read(&ledger, 0, &copy), TROUPE_E_CORRUPT);
	*bank = good;
	assert_int_equal(model_read(&ledger, 0, &copy), 0);
	board_close(&ledger);
}

struct reader {
	struct ledger ledger;
	uint32_t models, mixtures, steps_back;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	struct model_bank *copy = malloc(sizeof(*copy));
	uint64_t known = 0;
	while (copy && known < THREAD_MODELS) {
		if (model_read(&reader->ledger, known, copy) != 0)
			continue;
		reader->models++;
		reader->mixtures += model_tag(copy) != copy->version;
		reader->steps_back += copy->version <= known;
		known = copy->version;
	}
	free(copy);
	return NULL;
}

/* One mapping, several threads: what TSan looks at. */
static void test_readers_beside_a_publisher(void **state)
{
	(void)state;
	struct ledger ledger;
	static struct reader readers[READERS];
	static struct model_bank model;
	pthread_t thread[READERS];
	board_open(&ledger);
	for (int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){.ledger = ledger};
		assert_int_equal(pthread_create(&thread[i], NULL, read_all, &readers[i]), 0);
	}
	for (uint32_t tag = 1; tag <= THREAD_MODELS; tag++) {
		make_model(&model, tag);
		assert_int_equal(model_publish(&ledger, &model), 0);
	}
	for (int i = 0; i < READERS; i++) {
		pthread_join(thread[i], NULL);
		assert_true(readers[i].models > 0);
		assert_int_equal(readers[i].mixtures, 0);
		assert_int_equal(readers[i].steps_back, 0);
	}
	board_close(&ledger);
}

static void die_at_once(int signal)
{
	(void)signal;
	kill(getpid(), SIGKILL);
}

/* A child that publishes `tag` and is killed by SIGKILL when it reaches page `page` of the board.
 */
static void publish_and_die(struct ledger *ledger, uint32_t tag, size_t page)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		static struct model_bank model;
		make_model(&model, tag);
		signal(SIGSEGV, die_at_once);
		mprotect((uint8_t *)ledger->model + page * 4096, 4096, PROT_NONE);
		model_publish(ledger, &model);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_publisher_dies_half_way(void **state)
{
	(void)state;
	struct ledger ledger;
	static struct model_bank model, copy;
	board_open(&ledger);
	make_model(&model, 1);
	assert_int_equal(model_publish(&ledger, &model), 0);
	/* version 2 goes into bank 0, the first pages of the board; page 0 also holds `current` */
	for (size_t page = 1; page <= 7; page++) {
		publish_and_die(&ledger, 1000 + (uint32_t)page, page);
		assert_int_equal(ledger.model->bank[0].label[0], 1000 + page);
		assert_int_equal(model_read(&ledger, 0, &copy), 0);
		assert_int_equal(copy.version, 1);
		assert_int_equal(model_tag(&copy), 1);
	}
	make_model(&model, 2);
	assert_int_equal(model_publish(&ledger, &model), 0);
	assert_int_equal(model_read(&ledger, 1, &copy), 0);
	assert_int_equal(model_tag(&copy), 2);
	board_close(&ledger);
}

/* What the reader below is overtaken by, in the middle of its copy. */
static struct ledger *overtaken;

/* NOLINTBEGIN(bugprone-signal-handler): raised by the reader's own load, never inside of libc */
static void overtake(int signal)
{
	(void)signal;
	static struct model_bank model;
	mprotect(overtaken->model, sizeof(struct model_board), PROT_READ | PROT_WRITE);
	for (uint32_t tag = 3; tag <= 4; tag++) {
		make_model(&model, tag);
		model_publish(overtaken, &model);
	}
}
/* NOLINTEND(bugprone-signal-handler) */

/* A reader that has copied half of version 2 when version 4 is written over it. */
static void test_reader_is_overtaken(void **state)
{
	(void)state;
	struct ledger ledger;
	static struct model_bank model, copy;
	board_open(&ledger);
	for (uint32_t tag = 1; tag <= 2; tag++) {
		make_model(&model, tag);
		assert_int_equal(model_publish(&ledger, &model), 0);
	}
	overtaken = &ledger;
	void (*before)(int) = signal(SIGSEGV, overtake);
	assert_int_equal(mprotect((uint8_t *)ledger.model + (size_t)4 * 4096, 4096, PROT_NONE), 0);
	int rc = model_read(&ledger, 0, &copy);
	signal(SIGSEGV, before);
	assert_int_equal(rc, 0);
	assert_int_equal(copy.version, 4);
	assert_int_equal(model_tag(&copy), 4);
	board_close(&ledger);
}

/* A process that publishes without end, killed at any instruction, and its successor after it. */
static void test_killed_publishers(void **state)
{
	(void)state;
	struct ledger ledger;
	static struct model_bank copy;
	uint64_t last = 0;
	board_open(&ledger);
	for (int i = 0; i < KILLS; i++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			static struct model_bank model;
			for (;;) {
				make_model(&model, (uint32_t)model_current(&ledger) + 1);
				model_publish(&ledger, &model);
			}
		}
		uint64_t until = last + 1 + (uint64_t)i % 7;
		while (model_current(&ledger) < until)
			usleep(0);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_int_equal(model_read(&ledger, last, &copy), 0);
		assert_true(copy.version > last);
		assert_int_equal(model_tag(&copy), copy.version);
		last = copy.version;
	}
	board_close(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_impossible_models),
		cmocka_unit_test(test_damage_is_refused),
		cmocka_unit_test(test_readers_beside_a_publisher),
		cmocka_unit_test(test_reader_is_overtaken),
		cmocka_unit_test(test_publisher_dies_half_way),
		cmocka_unit_test(test_killed_publishers),
	};
	return cmocka_run_group_tests_name("model board", tests, NULL, NULL);
}
