/* Walking any protobuf message by its descriptor. */
#include "ipc/links/fields.h"

#include <string.h>

static const void *member(const ProtobufCMessage *message, unsigned offset)
{
	return (const uint8_t *)message + offset;
}

/* In memory; what repeated fields are arrays of. */
static size_t value_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return sizeof(uint32_t);
	}
}

size_t field_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const void *quantifier = member(message, field->quantifier_offset);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)quantifier != field->id)
		return 0;
	/* protobuf-c has no optional scalars in proto3: only a message can be unset otherwise. */
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)member(message, field->offset) != NULL;
	return 1;
}

const void *field_value(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
			size_t i)
{
	const void *value = member(message, field->offset);
	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return value;
	return *(const uint8_t *const *)value + i * value_size(field->type);
}

const char *field_text(const void *value)
{
	const char *text = *(const char *const *)value;
	return text ? text : "";
}

int64_t field_integer(const ProtobufCFieldDescriptor *field, const void *value)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)value != 0;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return *(const uint32_t *)value;
	default:
		return value_size(field->type) == sizeof(uint64_t) ? *(const int64_t *)value
								   : *(const int32_t *)value;
	}
}

const char *field_enum_name(const ProtobufCFieldDescriptor *field, const void *value)
{
	const ProtobufCEnumValue *known =
		protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int32_t *)value);
	return known ? known->name : NULL;
}
