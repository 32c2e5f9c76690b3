/* Questions to the catalogue to which the right answer is: nothing. */
#include "workers/storer/index_check.h"

#include "workers/storer/index_private.h"

#include <stdio.h>

#define FAULTS_EACH    20     /* of one kind: who has more needs no list of them */
#define PROGRESS_EVERY 100000 /* steps of SQLite's machine: some ms */

/* Each answers with lines. */
static const char *const questions[] = {
	/* SQLite's: pages, indices against tables, what must be unique or there. */
	"SELECT 'catalogue: ' || integrity_check FROM pragma_integrity_check WHERE integrity_check "
	"<> "
	"'ok'",
	/* Columns that nothing else vouches for are of the type they should be. */
	"SELECT stream || ' frame ' || seq || ' of run ' || run || ': its row is damaged' FROM "
	"frames "
	"WHERE typeof(stored) <> 'integer' OR bypassed NOT IN (0, 1) OR quarantined NOT IN (0, 1) "
	"OR "
	"coding NOT IN (0, 1, 2) OR NOT is_single(probability) OR NOT is_single(motion)",
	"SELECT 'run ' || coalesce(run, '?') || ': its row is damaged' FROM runs WHERE "
	"typeof(run) <> 'integer' OR typeof(pipeline) <> 'text' "
	"OR "
	"typeof(boot) <> 'text'",
	"SELECT 'segment ' || printf('%06d', segment) || ': its state is ''' || state || '''' FROM "
	"segments WHERE state NOT IN ('open', 'closed', 'doomed')",
	/* Rows of something that has none. */
	"SELECT 'run ' || run || ': has streams, but no row' FROM streams WHERE run NOT IN (SELECT "
	"run "
	"FROM runs) GROUP BY run",
	"SELECT 'run ' || run || ': has a clock, but no row' FROM clock WHERE run NOT IN (SELECT "
	"run FROM "
	"runs) GROUP BY run",
	"SELECT stream || ' of run ' || run || ': has forgotten frames, but no row' FROM forgotten "
	"WHERE "
	"(run, stream) NOT IN (SELECT run, stream FROM streams) GROUP BY run, stream",
	"SELECT 'event ' || event || ': of run ' || run || ', which has no row' FROM events WHERE "
	"run NOT "
	"IN (SELECT run FROM runs)",
	"SELECT 'event ' || event || ': of ' || stream || ', which run ' || run || ' has not' FROM "
	"events "
	"WHERE first_seq > 0 AND (run, stream) NOT IN (SELECT run, stream FROM streams)",
	/* Events: a beginning and an end in their order. */
	"SELECT 'event ' || event || ': its kind is ''' || kind || '''' FROM events WHERE kind NOT "
	"IN "
	"('recorded', 'motion', 'label', 'prediction', 'lost', 'died')",
	"SELECT 'event ' || event || ' (' || kind || ' of ' || stream || '): ends before it "
	"begins' FROM "
	"events WHERE last_seq < first_seq",
	"SELECT 'event ' || event || ' (' || kind || ' of ' || stream || '): counts ' || frames || "
	"' "
	"frames of ' || (last_seq - first_seq + 1) FROM events WHERE first_seq > 0 AND frames > "
	"last_seq "
	"- first_seq + 1",
	"SELECT 'event ' || event || ': open is ' || open FROM events WHERE open NOT IN (0, 1)",
	/* It begins with its first frame, or where the piece before it ended … */
	"SELECT 'event ' || e.event || ' (' || e.kind || ' of ' || e.stream || '): frame ' || "
	"f.seq || ' "
	"was captured later' FROM events AS e JOIN frames AS f ON f.run = e.run AND f.stream = "
	"e.stream "
	"AND f.seq = e.first_seq WHERE e.first_seq > 0 AND f.captured > e.begun",
	/* … ends with the one of them that was captured last … */
	"SELECT 'event ' || e.event || ' (' || e.kind || ' of ' || e.stream || '): its end is none "
	"of its "
	"frames' FROM events AS e JOIN frames AS f ON f.run = e.run AND f.stream = e.stream AND "
	"f.seq = "
	"e.last_seq WHERE e.first_seq > 0 AND f.captured <> e.ended AND NOT EXISTS (SELECT 1 FROM "
	"frames "
	"AS g WHERE g.run = e.run AND g.stream = e.stream AND g.seq BETWEEN e.first_seq AND "
	"e.last_seq AND "
	"g.captured = e.ended) AND NOT EXISTS (SELECT 1 FROM forgotten AS g WHERE g.run = e.run "
	"AND "
	"g.stream = e.stream AND g.last_seq >= e.first_seq AND g.first_seq <= e.last_seq)",
	/* … and its clocks are theirs. */
	"SELECT 'event ' || e.event || ' (' || e.kind || ' of ' || e.stream || '): frame ' || "
	"f.seq || ' "
	"goes by another clock' FROM events AS e JOIN frames AS f ON f.run = e.run AND f.stream = "
	"e.stream AND f.seq = e.last_seq WHERE e.first_seq > 0 AND f.captured_wall - f.captured <> "
	"e.ended_wall - e.ended",
	"SELECT 'event ' || event || ' (' || kind || ' of ' || stream || '): its clocks do not go "
	"together' "
	"FROM events WHERE first_seq > 0 AND abs((begun_wall - begun) - (ended_wall - ended)) > "
	"10000000000",
	"SELECT 'event ' || e.event || ': frame ' || f.seq || ' of ' || f.stream || ' has not the "
	"' || "
	"e.kind || ' ''' || e.what || '''' FROM events AS e JOIN frames AS f ON f.run = e.run AND "
	"f.stream = e.stream AND f.seq = e.first_seq WHERE (e.kind = 'label' AND f.label IS NOT "
	"e.what) "
	"OR (e.kind = 'prediction' AND f.prediction IS NOT e.what)",
	/* Frames that an event names and nobody knows. */
	"SELECT 'event ' || e.event || ' (' || e.kind || ' of ' || e.stream || '): frame ' || "
	"e.first_seq "
	"|| ' or ' || e.last_seq || ' was never stored' FROM events AS e LEFT JOIN streams AS s ON "
	"s.run "
	"= e.run AND s.stream = e.stream WHERE e.first_seq > 0 AND e.last_seq > s.last_seq",
};

struct asking {
	folder_waiting_fn *waiting;
	void *arg;
};

static int tell(void *arg)
{
	const struct asking *asking = arg;

	asking->waiting(asking->arg);
	return 0; /* go on */
}

/* Records have singles, columns doubles: a bit too far behind for a single is none of a record's.
 */
static void is_single(sqlite3_context *context, int count, sqlite3_value **values)
{
	double value = sqlite3_value_double(values[0]);

	(void)count;
	sqlite3_result_int(context, sqlite3_value_type(values[0]) == SQLITE_FLOAT &&
					    (double)(float)value == value);
}

static int ask(struct index *index, const char *question, index_fault_fn *fault, void *arg)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(index->db, question, -1, &statement, NULL), rc = 0;

	for (int n = 0; code == SQLITE_OK && n <= FAULTS_EACH; n++) {
		int step = sqlite3_step(statement);
		const unsigned char *line;

		if (step == SQLITE_DONE)
			break;
		if (step != SQLITE_ROW) {
			code = step;
			break;
		}
		line = sqlite3_column_text(statement, 0);
		fault(arg, n == FAULTS_EACH ? "and more of this kind"
			   : line != NULL   ? (const char *)line
					    : "catalogue: a row is damaged");
	}
	if (code != SQLITE_OK)
		rc = index_fail(index);
	sqlite3_finalize(statement);
	return rc;
}

int index_check(struct index *index, index_fault_fn *fault, folder_waiting_fn *waiting, void *arg)
{
	struct asking asking = {.waiting = waiting, .arg = arg};
	int rc = 0;

	if (sqlite3_create_function(index->db, "is_single", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
				    NULL, is_single, NULL, NULL) != SQLITE_OK)
		rc = index_fail(index);
	if (waiting != NULL)
		sqlite3_progress_handler(index->db, PROGRESS_EVERY, tell, &asking);
	for (size_t i = 0; rc == 0 && i < sizeof(questions) / sizeof(questions[0]); i++)
		rc = ask(index, questions[i], fault, arg);
	sqlite3_progress_handler(index->db, 0, NULL, NULL);
	return rc;
}
