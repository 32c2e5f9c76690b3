/* The workers' lines as the journal gets them: a socket of this test is journald. */
#include "supervisor/journald.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct journal {
	char folder[64], path[96];
	int socket;
};

static int begin(void **state)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	assert_non_null(journal);
	snprintf(journal->folder, sizeof(journal->folder), "/tmp/troupe-journald-XXXXXX");
	assert_non_null(mkdtemp(journal->folder));
	snprintf(journal->path, sizeof(journal->path), "%s/socket", journal->folder);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", journal->path);
	journal->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(journal->socket, (const struct sockaddr *)&address, sizeof(address)),
			 0);
	*state = journal;
	return 0;
}

static int end(void **state)
{
	struct journal *journal = *state;
	close(journal->socket);
	unlink(journal->path);
	rmdir(journal->folder);
	free(journal);
	unsetenv("JOURNAL_STREAM");
	return 0;
}

/* As systemd does for a service whose errors go to the journal. */
static void pretend(void)
{
	struct stat st;
	char stream[64];
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
}

static void expect(const struct journal *journal, const char *entry)
{
	char text[4096] = "";
	ssize_t n = recv(journal->socket, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	assert_string_equal(text, entry);
}

static void lines_become_entries(void **state)
{
	const struct journal *journal = *state;
	pretend();
	int fd = journald_open(journal->path);
	assert_true(fd >= 0);
	static const char said[] = "2026-11-22T03:00:00.000Z warn  it is slow\nplain words\n\nhalf";
	journald_tell(fd, "yard", "storer", said, sizeof(said) - 1);
#define FIELDS(priority)                                                                           \
	"PRIORITY=" priority "\nSYSLOG_IDENTIFIER=troupe\nTROUPE_PIPELINE=yard\n"                  \
	"TROUPE_WORKER=storer\nMESSAGE=storer: "
	expect(journal, FIELDS("4") "it is slow\n");
	expect(journal, FIELDS("6") "plain words\n");
	expect(journal, FIELDS("6") "half\n");
	char more;
	assert_true(recv(journal->socket, &more, 1, 0) < 0);
	close(fd);
}

static void a_flood_waits_for_nobody(void **state)
{
	const struct journal *journal = *state;
	char flood[20000];
	pretend();
	int fd = journald_open(journal->path);
	memset(flood, '\n', sizeof(flood));
	for (size_t i = 0; i < sizeof(flood); i += 2)
		flood[i] = 'x';
	journald_tell(fd, "yard", "storer", flood, sizeof(flood));
	memset(flood, 'y', sizeof(flood)); /* and one line that is longer than an entry */
	journald_tell(fd, "yard", "storer", flood, sizeof(flood));
	close(fd);
}

static void without_the_journal_nothing_happens(void **state)
{
	const struct journal *journal = *state;
	assert_int_equal(journald_open(journal->path), -1);
	setenv("JOURNAL_STREAM", "1:1", 1);
	assert_int_equal(journald_open(journal->path), -1);
	pretend();
	assert_int_equal(journald_open("/nowhere/socket"), -1);
	journald_tell(-1, "yard", "storer", "words\n", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_become_entries, begin, end),
		cmocka_unit_test_setup_teardown(a_flood_waits_for_nobody, begin, end),
		cmocka_unit_test_setup_teardown(without_the_journal_nothing_happens, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
