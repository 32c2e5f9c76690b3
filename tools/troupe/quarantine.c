/* `troupe quarantine`: the frames that caused three deaths, and who died of each and why. Reads the
 * folders themselves, so it also tells of a pipeline that has ended. */
#include "ipc/base/folders.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ABOUT "frame.txt" /* what the storer writes last */

/* One folder. */
struct kept {
	char path[1024];
	char stream[64];
	uint64_t run, seq;
	bool pixels;
	json_t *deaths; /* an array */
};

/* RUN-STREAM-SEQ; a stream's name may have a '-' in it. */
static bool parse_name(const char *name, struct kept *kept)
{
	char *end;
	const char *last = strrchr(name, '-');
	kept->run = strtoull(name, &end, 10);
	if (end == name || *end != '-' || !last || last <= end)
		return false;
	snprintf(kept->stream, sizeof kept->stream, "%.*s", (int)(last - end - 1), end + 1);
	kept->seq = strtoull(last + 1, &end, 10);
	return end != last + 1 && *end == '\0';
}

static json_t *read_deaths(const char *folder)
{
	char path[1100], line[8192];
	snprintf(path, sizeof path, "%s/deaths.jsonl", folder);
	FILE *in = fopen(path, "re");
	json_t *deaths = json_array();
	while (in && fgets(line, sizeof line, in)) {
		json_t *death = json_loads(line, 0, NULL);
		if (json_is_object(death))
			json_array_append_new(deaths, death);
		else
			json_decref(death);
	}
	if (in)
		fclose(in);
	return deaths;
}

static bool look_at(const char *folder, const char *name, struct kept *kept)
{
	char about[1100];
	*kept = (struct kept){0};
	if (!parse_name(name, kept))
		return false;
	snprintf(kept->path, sizeof kept->path, "%s/%s", folder, name);
	snprintf(about, sizeof about, "%s/" ABOUT, kept->path);
	kept->pixels = access(about, R_OK) == 0;
	kept->deaths = read_deaths(kept->path);
	return true;
}

static const char *text_of(const json_t *death, const char *key)
{
	const char *text = json_string_value(json_object_get(death, key));
	return text ? text : "";
}

static void print_death(const json_t *death)
{
	char words[1024], program[1024];
	out_tamed(text_of(death, "words"), words, sizeof words);
	printf("  %d. %s, pid %d, %s: %s%s%s%s%s\n",
	       (int)json_integer_value(json_object_get(death, "attempt")), text_of(death, "worker"),
	       (int)json_integer_value(json_object_get(death, "pid")),
	       out_tamed(text_of(death, "program"), program, sizeof program),
	       paint_begin(stdout, PAINT_BAD), text_of(death, "cause"),
	       paint_end(stdout, PAINT_BAD), *words ? ": " : "", words);
}

static void print_kept(const struct kept *kept)
{
	size_t n = json_array_size(kept->deaths);
	printf("%sframe %" PRIu64 " of %s%s, run %" PRIu64 ", %s\n",
	       paint_begin(stdout, PAINT_BOLD), kept->seq, kept->stream,
	       paint_end(stdout, PAINT_BOLD), kept->run,
	       n ? text_of(json_array_get(kept->deaths, n - 1), "wall") : "the reasons are lost");
	for (size_t i = 0; i < n; i++)
		print_death(json_array_get(kept->deaths, i));
	printf("  %s%s\n", kept->path,
	       kept->pixels ? "/" ABOUT " says how to look at it" : ": reasons only, no pixels");
}

static json_t *kept_json(const struct kept *kept)
{
	return json_pack("{s:I, s:s, s:I, s:s, s:b, s:O}", "run", (json_int_t)kept->run, "stream",
			 kept->stream, "seq", (json_int_t)kept->seq, "folder", kept->path, "pixels",
			 kept->pixels, "deaths", kept->deaths);
}

static void show(const struct kept *kept, json_t *all)
{
	if (all)
		json_array_append_new(all, kept_json(kept));
	else
		print_kept(kept);
}

/* Returns how many there are. */
static int show_all(const char *folder, json_t *all)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, NULL, versionsort), shown = 0;
	for (int i = 0; i < n; i++) {
		struct kept kept;
		if (look_at(folder, names[i]->d_name, &kept)) {
			show(&kept, all);
			json_decref(kept.deaths);
			shown++;
		}
		free(names[i]);
	}
	free(names);
	return shown;
}

int quarantine_run(const struct call *call)
{
	char state[256], folder[300];
	int rc = state_pick(call, state, sizeof state);
	if (rc != EXIT_DONE)
		return rc;
	snprintf(folder, sizeof folder, "%s/" FOLDER_QUARANTINE, state);
	json_t *all = call->json ? json_array() : NULL;
	int shown = show_all(folder, all);
	if (all) {
		rc = json_dumpf(all, stdout, JSON_INDENT(2)) < 0 ? EXIT_FAILED : EXIT_DONE;
		putchar('\n');
		json_decref(all);
	} else if (shown == 0) {
		puts("no frame is in quarantine");
	}
	return rc;
}
