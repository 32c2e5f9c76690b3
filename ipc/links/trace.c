/* A message as one line for logs and `inspect`. */
#include "ipc/links/fields.h"
#include "ipc/links/message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Longer texts and byte strings are cut: a trace shows what came, not all of it. */
#define TRACE_TEXT_MAX 64

struct line {
	char *out;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
	va_list args;
	if (line->used + 1 >= line->size)
		return;
	va_start(args, format);
	int n = vsnprintf(line->out + line->used, line->size - line->used, format, args);
	va_end(args);
	line->used += n < 0 ? 0 : (size_t)n;
	if (line->used >= line->size)
		line->used = line->size - 1;
}

/* Quoted, on one line, whatever the bytes are. */
static void put_text(struct line *line, const char *text)
{
	size_t length = strnlen(text, TRACE_TEXT_MAX + 1);
	put(line, "\"");
	for (size_t i = 0; i < length && i < TRACE_TEXT_MAX; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < ' ' || c == 0x7f)
			put(line, "\\x%02x", c);
		else
			put(line, c == '"' || c == '\\' ? "\\%c" : "%c", c);
	}
	put(line, length > TRACE_TEXT_MAX ? "...\"" : "\"");
}

static void put_bytes(struct line *line, const ProtobufCBinaryData *bytes)
{
	for (size_t i = 0; i < bytes->len && i < TRACE_TEXT_MAX / 2; i++)
		put(line, "%02x", bytes->data[i]);
	put(line, bytes->len > TRACE_TEXT_MAX / 2 ? "..." : "");
}

static void put_fields(struct line *line, const ProtobufCMessage *message, const char *before);

static void put_value(struct line *line, const ProtobufCFieldDescriptor *field, const void *value)
{
	const char *name;
	switch (field->type) {
	case PROTOBUF_C_TYPE_FLOAT:
		put(line, "%g", (double)*(const float *)value);
		return;
	case PROTOBUF_C_TYPE_DOUBLE:
		put(line, "%g", *(const double *)value);
		return;
	case PROTOBUF_C_TYPE_STRING:
		put_text(line, field_text(value));
		return;
	case PROTOBUF_C_TYPE_BYTES:
		put_bytes(line, value);
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		put(line, "{");
		put_fields(line, *(const ProtobufCMessage *const *)value, "");
		put(line, "}");
		return;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		put(line, "%" PRIu64, *(const uint64_t *)value);
		return;
	case PROTOBUF_C_TYPE_ENUM:
		name = field_enum_name(field, value);
		if (name) {
			put(line, "%s", name);
			return;
		}
		break;
	default:
		break;
	}
	put(line, "%" PRId64, field_integer(field, value));
}

/* name=value, separated by blanks, `before` in front; a repeated field once for each value. */
static void put_fields(struct line *line, const ProtobufCMessage *message, const char *before)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		size_t count = field_count(message, field);
		for (size_t k = 0; k < count && line->used + 1 < line->size; k++) {
			put(line, "%s%s=", before, field->name);
			put_value(line, field, field_value(message, field, k));
			before = " ";
		}
	}
}

char *message_trace(const ProtobufCMessage *message, char *out, size_t size)
{
	struct line line = {.out = out, .size = size};
	enum message_kind kind = message_kind_of(message);
	if (size > 0)
		out[0] = '\0';
	put(&line, "%s", kind ? message_name(kind) : message->descriptor->short_name);
	put_fields(&line, message, " ");
	return out;
}
