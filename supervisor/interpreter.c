/* "#!" and PT_INTERP. */
#include "supervisor/interpreter.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_SIZE    256
#define HEADERS_MOST 64

static void found_one(struct interpreters *found, const char *path)
{
	size_t length = strlen(path);
	if (found->count < INTERPRETERS_MAX && length > 0 && length < INTERPRETER_SIZE)
		memcpy(found->path[found->count++], path, length + 1);
}

/* The program of that name in PATH. */
static void find_in_path(const char *name, struct interpreters *found)
{
	char copy[4096], path[INTERPRETER_SIZE], *rest = copy;
	const char *all = getenv("PATH");
	snprintf(copy, sizeof(copy), "%s", all ? all : "/usr/local/bin:/usr/bin:/bin");
	for (const char *folder; (folder = strsep(&rest, ":"));) {
		int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (n < (int)sizeof(path) && access(path, X_OK) == 0) {
			found_one(found, path);
			return;
		}
	}
}

/* `line` is behind "#!". */
static void of_script(char *line, struct interpreters *found)
{
	line[strcspn(line, "\n")] = '\0';
	char *rest = line + strspn(line, " \t");
	const char *first = strsep(&rest, " \t");
	const char *base = strrchr(first, '/');
	found_one(found, first);
	if (base && strcmp(base, "/env") == 0 && rest) {
		char *name = rest + strspn(rest, " \t");
		name[strcspn(name, " \t")] = '\0';
		find_in_path(name, found);
	}
}

static void of_elf(int fd, const ElfW(Ehdr) * head, struct interpreters *found)
{
	for (int i = 0; i < head->e_phnum && i < HEADERS_MOST; i++) {
		ElfW(Phdr) part;
		off_t at = (off_t)(head->e_phoff + (size_t)i * head->e_phentsize);
		char path[INTERPRETER_SIZE] = "";
		if (pread(fd, &part, sizeof(part), at) != (ssize_t)sizeof(part))
			return;
		if (part.p_type != PT_INTERP || part.p_filesz >= sizeof(path))
			continue;
		if (pread(fd, path, part.p_filesz, (off_t)part.p_offset) > 0)
			found_one(found, path);
	}
}

static void look_into(const char *program, struct interpreters *found)
{
	union {
		char text[HEAD_SIZE + 1];
		ElfW(Ehdr) elf;
	} head = {0};
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = pread(fd, head.text, HEAD_SIZE, 0);
	if (n > 2 && memcmp(head.text, "#!", 2) == 0)
		of_script(head.text + 2, found);
	else if (n >= (ssize_t)sizeof(head.elf) && memcmp(head.text, ELFMAG, SELFMAG) == 0)
		of_elf(fd, &head.elf, found);
	close(fd);
}

void interpreters_of(const char *program, struct interpreters *found)
{
	found->count = 0;
	look_into(program, found);
	for (size_t i = 0; i < found->count; i++)
		look_into(found->path[i], found);
}
