/* Walking any protobuf message by its descriptor: what json.c and trace.c share. */
#ifndef TROUPE_IPC_LINKS_FIELDS_H
#define TROUPE_IPC_LINKS_FIELDS_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* How many values a field of a message has: any number if it is repeated, else 0 (unset) or 1. A
 * plain scalar of proto3 is always set. */
size_t field_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* The value number `i` < field_count: points to an int32_t, uint64_t, double, char *,
 * ProtobufCBinaryData, ProtobufCMessage * …, as the field's type says. */
const void *field_value(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
			size_t i);

/* A text value; never NULL. */
const char *field_text(const void *value);

/* The bits of a whole number or bool, sign-extended where its type has a sign. */
int64_t field_integer(const ProtobufCFieldDescriptor *field, const void *value);

/* The name of an enum's value, or NULL when the schema does not know it. */
const char *field_enum_name(const ProtobufCFieldDescriptor *field, const void *value);

#endif
