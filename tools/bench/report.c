/* The table and the JSON of `troupe bench`. */
#include "tools/bench/report.h"

#include "ipc/base/errors.h"
#include "tools/troupe/output.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>

/* ---- for people ---- */

static const char *busy_mark(const struct bench *bench)
{
	return bench->machine.busy_before || bench->machine.busy_after ? "busy" : NULL;
}

/* Three digits that count, at most two behind the point. */
static const char *number(double value, char *out, size_t size)
{
	double large = fabs(value);
	if (isnan(value))
		snprintf(out, size, "-");
	else
		snprintf(out, size, "%.*f", large < 10 ? 2 : large < 100 ? 1 : 0, value);
	return out;
}

static void target_text(const struct figure *figure, char *out, size_t size)
{
	bool ratio =
		figure->target == TARGET_RATIO_AT_MOST || figure->target == TARGET_RATIO_AT_LEAST;
	bool most = figure->target == TARGET_RATIO_AT_MOST ||
		    figure->target == TARGET_MEDIAN_AT_MOST || figure->target == TARGET_P99_AT_MOST;
	snprintf(out, size, "-");
	if (figure->target != TARGET_NONE) {
		snprintf(out, size, "%s %g%s%s %s", most ? "≤" : "≥", figure->limit,
			 ratio ? "×" : " ", ratio ? "" : figure->unit,
			 figure->reached ? "reached" : "missed");
	}
}

static void extras_text(const struct figure *figure, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < FIGURE_EXTRAS && figure->extra[i].name && used < size; i++) {
		char value[32];
		const struct figure_extra *extra = &figure->extra[i];
		used += (size_t)snprintf(out + used, size - used, "%s%s %s%s%s", used ? ", " : "",
					 extra->name, number(extra->value, value, sizeof(value)),
					 extra->unit[0] ? " " : "", extra->unit);
	}
}

static void figure_row(struct table *table, const struct figure *figure)
{
	char text[256];
	table_cell(table, PAINT_NONE, "%s", figure->name);
	table_cell(table, PAINT_NONE, "%zu", figure->n);
	table_cell(table, PAINT_BOLD, "%s", number(figure->median, text, sizeof(text)));
	table_cell(table, PAINT_NONE, "%s", number(figure->p99, text, sizeof(text)));
	table_cell(table, PAINT_DIM, "%s", figure->unit);
	table_cell(table, PAINT_NONE, "%s", figure->baseline[0] ? figure->baseline : "-");
	table_cell(table, PAINT_NONE, "%s",
		   figure->baseline[0] ? number(figure->baseline_median, text, sizeof(text)) : "-");
	if (isnan(figure->ratio))
		table_cell(table, PAINT_NONE, "-");
	else
		table_cell(table, PAINT_BOLD, "%.2f×", figure->ratio);
	target_text(figure, text, sizeof(text));
	table_cell(table,
		   figure->target == TARGET_NONE ? PAINT_NONE
		   : figure->reached		 ? PAINT_GOOD
						 : PAINT_BAD,
		   "%s", text);
	extras_text(figure, text, sizeof(text));
	table_cell(table, PAINT_DIM, "%s", text);
}

static void machine_lines(const struct bench *bench)
{
	const struct machine *machine = &bench->machine;
	printf("machine: %d cores, two burn %.2f× of one (ideal 2); before: others %.1f %% of a "
	       "core, stolen %.1f %%; load average %.2f\n",
	       machine->cores, machine->ratio, machine->load.others * 100,
	       machine->load.steal * 100, machine->loadavg);
	printf("         during: others %.1f %%, stolen %.1f %%, somebody waited for a core "
	       "%.1f %% of the time\n",
	       machine->during.others * 100, machine->during.steal * 100,
	       machine->during.pressure * 100);
	if (busy_mark(bench))
		printf("%smachine busy%s: %s; the figures below mean little\n",
		       paint_begin(stdout, PAINT_BAD), paint_end(stdout, PAINT_BAD), machine->why);
}

static int print_table(const struct bench *bench)
{
	static const char *const headings[] = {"FIGURE",   ">N",      ">MEDIAN", ">P99",   "UNIT",
					       "BASELINE", ">MEDIAN", ">RATIO",	 "TARGET", ""};
	struct table *table = table_create(headings, sizeof(headings) / sizeof(headings[0]));
	machine_lines(bench);
	for (size_t i = 0; table && i < bench->n_figures; i++)
		figure_row(table, &bench->figures[i]);
	int rc = table ? table_print(table, stdout) : TROUPE_E_MEMORY;
	table_destroy(table);
	return rc;
}

/* ---- for programs ---- */

static json_t *real(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *load_json(const struct machine_load *load)
{
	return json_pack("{s:o, s:o, s:o}", "others", real(load->others), "steal",
			 real(load->steal), "pressure", real(load->pressure));
}

static json_t *machine_json(const struct machine *machine)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:s}", "cores",
			 machine->cores, "burn_ratio", real(machine->ratio), "slowdown",
			 real(machine->slowdown), "load_average", real(machine->loadavg), "before",
			 load_json(&machine->load), "during", load_json(&machine->during), "after",
			 load_json(&machine->after), "burn_rate", real(machine->one), "busy_before",
			 machine->busy_before, "busy_after", machine->busy_after, "why",
			 machine->why);
}

static void add_extras(json_t *json, const struct figure *figure)
{
	for (size_t i = 0; i < FIGURE_EXTRAS && figure->extra[i].name; i++) {
		char key[64];
		snprintf(key, sizeof(key), "%s", figure->extra[i].name);
		for (char *c = key; *c; c++)
			*c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '_';
		json_object_set_new(json, key, real(figure->extra[i].value));
	}
}

static json_t *target_json(const struct figure *figure)
{
	char text[64];
	if (figure->target == TARGET_NONE)
		return json_null();
	target_text(figure, text, sizeof(text));
	return json_string(text);
}

static json_t *figure_json(const struct figure *figure)
{
	bool compared = figure->baseline[0];
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:b, s:b}",
		"bench", figure->bench, "figure", figure->name, "unit", figure->unit, "n",
		(json_int_t)figure->n, "median", real(figure->median), "p99", real(figure->p99),
		"raw_median", real(figure->raw_median), "raw_p99", real(figure->raw_p99),
		"baseline", compared ? json_string(figure->baseline) : json_null(), "baseline_n",
		(json_int_t)figure->baseline_n, "baseline_median",
		compared ? real(figure->baseline_median) : json_null(), "raw_baseline_median",
		compared ? real(figure->raw_baseline) : json_null(), "ratio", real(figure->ratio),
		"target", target_json(figure), "reached", figure->reached, "two_processes",
		figure->two_processes);
	if (json)
		add_extras(json, figure);
	return json;
}

static int print_json(json_t *json)
{
	int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : -1;
	putchar('\n');
	json_decref(json);
	return rc < 0 ? TROUPE_E_MEMORY : 0;
}

static json_t *all_json(const struct bench *bench)
{
	json_t *figures = json_array();
	for (size_t i = 0; i < bench->n_figures; i++)
		json_array_append_new(figures, figure_json(&bench->figures[i]));
	return json_pack("{s:b, s:o, s:o}", "busy", busy_mark(bench) != NULL, "machine",
			 machine_json(&bench->machine), "figures", figures);
}

/* ---- either ---- */

void report_busy(const struct bench *bench)
{
	if (bench->json)
		print_json(all_json(bench));
	fprintf(stderr, "troupe bench: machine busy: %s (--force measures all the same)\n",
		bench->machine.why);
}

int report_print(const struct bench *bench)
{
	return bench->json ? print_json(all_json(bench)) : print_table(bench);
}
