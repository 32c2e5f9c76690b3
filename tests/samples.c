/* Messages filled at random by their descriptors. Out of memory ends the test. */
#include "tests/samples.h"

#include "schemas/control.pb-c.h"
#include "schemas/frame.pb-c.h"
#include "schemas/life.pb-c.h"
#include "schemas/playback.pb-c.h"
#include "schemas/report.pb-c.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const ProtobufCMessageDescriptor *type;
	enum message_kind kind;
	uint32_t limit;
} kinds[] = {
#define SAMPLE_ROW(name, number, type, limit) {&type##__descriptor, MESSAGE_##name, (limit)},
	MESSAGE_KINDS(SAMPLE_ROW)
#undef SAMPLE_ROW
};

uint32_t sample_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

size_t sample_kinds(void)
{
	return sizeof(kinds) / sizeof(kinds[0]);
}

enum message_kind sample_kind(size_t i)
{
	return kinds[i].kind;
}

uint32_t sample_limit(size_t i)
{
	return kinds[i].limit;
}

static void *room(size_t count, size_t size)
{
	void *block = calloc(count ? count : 1, size);
	if (!block)
		abort();
	return block;
}

static ProtobufCMessage *fill(const ProtobufCMessageDescriptor *type, uint64_t *state);

static char *fill_text(uint64_t *state)
{
	static const char *const words[] = {"display", "", "processor.2", "größer\n\"3 s\"", "x"};
	char *text = room(64, 1);
	snprintf(text, 64, "%s", words[sample_random(state) % 5]);
	return text;
}

static void fill_value(const ProtobufCFieldDescriptor *field, void *value, uint64_t *state)
{
	uint64_t bits = (uint64_t)sample_random(state) << 32 | sample_random(state);
	double real = (double)(bits >> 40) / 16;
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)value = fill(field->descriptor, state);
		return;
	case PROTOBUF_C_TYPE_STRING:
		*(char **)value = fill_text(state);
		return;
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(value, &real, sizeof(real));
		return;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)value = (protobuf_c_boolean)(bits & 1);
		return;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		bits >>= 1 + bits % 50;
		memcpy(value, &bits, sizeof(bits));
		return;
	case PROTOBUF_C_TYPE_ENUM: /* one that the schema does not know is kept as it is */
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		memcpy(value, &bits, sizeof(uint32_t));
		return;
	default:
		fprintf(stderr, "%s: no sample of this type yet\n", field->name);
		abort();
	}
}

static size_t element_size(const ProtobufCFieldDescriptor *field)
{
	bool small = field->type == PROTOBUF_C_TYPE_INT32 ||
		     field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_ENUM;
	return field->type == PROTOBUF_C_TYPE_BOOL ? sizeof(protobuf_c_boolean)
	       : small				   ? sizeof(uint32_t)
						   : sizeof(uint64_t);
}

static void fill_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		       uint64_t *state)
{
	uint8_t *base = (uint8_t *)message;
	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		fill_value(field, base + field->offset, state);
		return;
	}
	size_t count = sample_random(state) % 3, size = element_size(field);
	uint8_t *array = count ? room(count, size) : NULL;
	for (size_t i = 0; i < count; i++)
		fill_value(field, array + i * size, state);
	memcpy(base + field->quantifier_offset, &count, sizeof(count));
	memcpy(base + field->offset, &array, sizeof(array));
}

static ProtobufCMessage *fill(const ProtobufCMessageDescriptor *type, uint64_t *state)
{
	ProtobufCMessage *message = room(1, type->sizeof_message);
	protobuf_c_message_init(type, message);
	unsigned first = type->n_fields ? sample_random(state) % type->n_fields : 0;
	bool chosen = false; /* our schemas have at most one oneof a message */
	for (unsigned k = 0; k < type->n_fields; k++) {
		const ProtobufCFieldDescriptor *field = &type->fields[(first + k) % type->n_fields];
		if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
			if (chosen)
				continue;
			chosen = true;
			memcpy((uint8_t *)message + field->quantifier_offset, &field->id,
			       sizeof(field->id));
		}
		fill_field(message, field, state);
	}
	return message;
}

ProtobufCMessage *sample_message(size_t i, uint64_t seed)
{
	uint64_t state = seed * 977 + i;
	return fill(kinds[i].type, &state);
}
