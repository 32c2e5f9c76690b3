/* Escapes and line breaks of mdoc(7). */
#include "tools/manual/page.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 76

FILE *page_open(const struct manual *manual, const char *name)
{
	char path[1024];
	snprintf(path, sizeof(path), "%s/%s", manual->folder, name);
	FILE *page = fopen(path, "w");
	if (page)
		return page;
	perror(path);
	exit(EXIT_FAILURE);
}

void page_close(FILE *page, const char *name)
{
	bool failed = ferror(page);
	if (fclose(page) == 0 && !failed)
		return;
	perror(name);
	exit(EXIT_FAILURE);
}

/* "troupe-kill" is TROUPE-KILL in the headline. */
static void print_upper(FILE *page, const char *text)
{
	for (; *text; text++)
		fputc(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text, page);
}

void page_begin(FILE *page, const struct manual *manual, const char *title, const char *section,
		const char *what)
{
	fprintf(page, ".\\\" Made by troupe-manual from the tables of the programs.\n.Dd %s\n.Dt ",
		manual->date);
	print_upper(page, title);
	fprintf(page, " %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", section, title);
	page_argument(page, what);
	fputc('\n', page);
}

/* How roff wants a character to be written, NULL: as it is. */
static const char *escape_of(unsigned code, bool literal)
{
	static const struct {
		char character;
		bool everywhere; /* else only where it is typed so */
		const char *escape;
	} all[] = {{'\\', true, "\\e"},	   {'"', true, "\\(dq"},  {'-', false, "\\-"},
		   {'\'', false, "\\(aq"}, {'`', false, "\\(ga"}, {'~', false, "\\(ti"},
		   {'^', false, "\\(ha"}};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if ((unsigned char)all[i].character == code && (literal || all[i].everywhere))
			return all[i].escape;
	return NULL;
}

/* The character at `text`, one of UTF-8, as roff knows it. Returns how many bytes it has. */
static size_t put_character(FILE *page, const char *text, bool literal)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t length = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	unsigned code = c[0] & mask[length];
	for (size_t i = 1; i < length; i++)
		code = code << 6 | (c[i] & 0x3f);
	const char *escape = escape_of(code, literal);
	if (escape)
		fputs(escape, page);
	else if (code < 0x80)
		fputc((int)code, page);
	else
		fprintf(page, "\\[u%04X]", code);
	return length;
}

/* Bytes up to the next blank or the end; backquotes keep their blanks. */
static size_t word_length(const char *text, bool *literal)
{
	size_t length = 0;
	for (; text[length] && text[length] != ' '; length++)
		if (text[length] == '`')
			*literal = !*literal;
	return length;
}

/* How much a word takes with its escapes, at most. */
static size_t width_of(const char *word, size_t length)
{
	size_t width = 0;
	for (size_t i = 0; i < length; i++)
		width += word[i] == '`' || word[i] == '"' || word[i] == '\\' || word[i] & 0x80 ? 4
											       : 1;
	return width;
}

/* "e.g." ends no sentence. */
static bool ends_sentence(const char *word, size_t length)
{
	while (length > 1 && strchr(")`\"", word[length - 1]))
		length--;
	return length > 1 && strchr(".!?", word[length - 1]) &&
	       !(length == 4 && strncmp(word, "e.g.", 4) == 0);
}

static void put_word(FILE *page, const char *word, size_t length, bool *bold)
{
	for (const char *end = word + length; word < end;) {
		if (*word == '`') {
			*bold = !*bold;
			fputs(*bold ? "\\fB" : "\\fR", page);
			word++;
		} else {
			word += put_character(page, word, *bold);
		}
	}
}

void page_text(FILE *page, const char *text)
{
	bool bold = false, fresh = true, ignored = false;
	size_t column = 0;
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t length = word_length(text, &ignored), width = width_of(text, length);
		if (!fresh && column + width + 1 > WIDTH) {
			fputc('\n', page);
			fresh = true;
			column = 0;
		}
		if (!fresh)
			fputc(' ', page);
		else if (strchr(".'", *text))
			fputs("\\&", page);
		put_word(page, text, length, &bold);
		column += width + 1;
		fresh = ends_sentence(text, length) && text[length];
		if (fresh) {
			fputc('\n', page);
			column = 0;
		}
		text += length;
	}
	fputs("\n", page);
}

void page_sentence(FILE *page, const char *text)
{
	char sentence[1024];
	size_t word = strcspn(text, " ,"), length = strlen(text);
	snprintf(sentence, sizeof(sentence) - 1, "%s", text);
	/* "mp4" is a word of its own kind. */
	if (*text >= 'a' && *text <= 'z' && strcspn(text, "0123456789") >= word)
		sentence[0] = (char)(*text - 'a' + 'A');
	if (length < sizeof(sentence) - 2 && length && !strchr(".!?", text[length - 1]))
		memcpy(sentence + length, ".", 2);
	page_text(page, sentence);
}

void page_argument(FILE *page, const char *text)
{
	fputc('"', page);
	while (*text)
		text += put_character(page, text, false);
	fputc('"', page);
}

void page_literal(FILE *page, const char *line)
{
	if (*line && strchr(".'", *line))
		fputs("\\&", page);
	while (*line && *line != '\n')
		line += put_character(page, line, true);
	fputc('\n', page);
}
