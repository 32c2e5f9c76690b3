/* Starting the programs beside this one; the commands that are no more than that: check, config,
 * run. */
#include "tools/troupe/programs.h"

#include "tools/troupe/output.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void arguments_add(struct arguments *arguments, const char *word)
{
	if (arguments->n < PROGRAM_ARGS_MAX)
		arguments->word[arguments->n++] = word;
}

void arguments_add_config(struct arguments *arguments, const struct call *call)
{
	if (call->config) {
		arguments_add(arguments, "-c");
		arguments_add(arguments, call->config);
	}
	if (call->name) {
		arguments_add(arguments, "-n");
		arguments_add(arguments, call->name);
	}
	for (size_t i = 0; i < call->n_sets; i++) {
		arguments_add(arguments, "--set");
		arguments_add(arguments, call->set[i]);
	}
}

/* The path of a program in the folder that this one lies in. */
static bool beside(const char *name, char *path, size_t size)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0)
		return false;
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	return slash &&
	       (size_t)snprintf(path, size, "%.*s/%s", (int)(slash - self), self, name) < size;
}

int program_become(const char *name, const struct arguments *arguments)
{
	char path[1024];
	/* execv wants pointers to writable words, which it does not write. */
	union {
		const char *const *from;
		char *const *to;
	} argv = {.from = arguments->word};
	if (beside(name, path, sizeof path))
		execv(path, argv.to);
	out_error("cannot start %s: %s", name, strerror(errno));
	return EXIT_FAILED;
}

int program_exit_code(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EXIT_FAILED;
}

static int wait_for(pid_t child)
{
	int status = 0;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return EXIT_FAILED;
	}
	return program_exit_code(status);
}

/* Reads to the end; the caller frees. NULL: out of memory. */
static char *read_all(int fd)
{
	char *text = NULL, piece[4096];
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	if (!memory)
		return NULL;
	for (ssize_t n = read(fd, piece, sizeof piece); n > 0; n = read(fd, piece, sizeof piece))
		fwrite(piece, 1, (size_t)n, memory);
	return fclose(memory) == 0 ? text : NULL;
}

static int print_result(int code, const char *text)
{
	json_t *result = json_pack("{s:i, s:s?}", "code", code, "text", text);
	int rc = result ? json_dumpf(result, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(result);
	return rc < 0 ? EXIT_FAILED : code;
}

/* Runs it with its output, and its errors if they are wanted too, in a pipe. */
static char *listen_to(const char *name, const struct arguments *arguments, bool errors, int *code)
{
	int ends[2];
	*code = EXIT_FAILED;
	if (pipe(ends) < 0)
		return NULL;
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		if (errors)
			dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(program_become(name, arguments));
	}
	close(ends[1]);
	char *text = child > 0 ? read_all(ends[0]) : NULL;
	close(ends[0]);
	if (child > 0)
		*code = wait_for(child);
	return text;
}

char *program_ask(const char *name, const struct arguments *arguments, int *code)
{
	return listen_to(name, arguments, false, code);
}

int program_run(const struct call *call, const char *name, const struct arguments *arguments)
{
	if (!call->json)
		return program_become(name, arguments);
	int code;
	char *text = listen_to(name, arguments, true, &code);
	code = print_result(code, text);
	free(text);
	return code;
}

int check_run(const struct call *call)
{
	struct arguments arguments = {0};
	arguments_add(&arguments, "troupe-supervisor");
	arguments_add(&arguments, "--check");
	arguments_add_config(&arguments, call);
	return program_run(call, arguments.word[0], &arguments);
}

int config_run(const struct call *call)
{
	struct arguments arguments = {0};
	arguments_add(&arguments, "troupe-supervisor");
	arguments_add(&arguments, "--print-config");
	return program_run(call, arguments.word[0], &arguments);
}

int sequential_run(const struct call *call)
{
	struct arguments arguments = {0};
	arguments_add(&arguments, "troupe-sequential");
	arguments_add_config(&arguments, call);
	return program_run(call, arguments.word[0], &arguments);
}
