/* Any protobuf message as JSON, by its descriptor: what `--json`, the page's API and logs print.
 * Field names are those of the .proto; enums are their names; unset optional fields are left out;
 * bytes are hex. */
#ifndef TROUPE_IPC_LINKS_JSON_H
#define TROUPE_IPC_LINKS_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* Texts come from strangers too (a worker's last words): what is not UTF-8 becomes "?", not an
 * error. A new reference; NULL: out of memory. */
json_t *json_text(const char *text);

/* A new reference; NULL: out of memory. */
json_t *message_json(const ProtobufCMessage *message);

#endif
