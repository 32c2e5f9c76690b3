/* Everything that must be there before the first worker: folders, ledger, sockets, links. */
#ifndef TROUPE_SUPERVISOR_SETUP_H
#define TROUPE_SUPERVISOR_SETUP_H

#include "supervisor/supervisor.h"

/* Before anything else in main(): closes what was inherited by accident, keeps the numbers of the
 * contract's descriptors free of ours, blocks the signals that the loop takes. *keep (may hold -1)
 * is moved out of the way. */
int setup_process(int *keep);

/* Loads the configuration and goes to the folder of its file. An error is one line in `why`. */
int setup_config(struct config *config, const struct supervisor_options *options, char *why,
		 size_t why_size);

/* 0, or an error; then `why` is one line. Half-made things are for setup_finish. */
int setup(struct supervisor *s, const struct supervisor_options *options, char *why,
	  size_t why_size);
/* What comes after members and ledger: links, journal, and so on. `again`: another supervisor has
 * had them before, and its sockets may lie about. */
int setup_rest(struct supervisor *s, bool again, char *why, size_t why_size);

/* Binds the sockets that everybody talks to. */
int setup_sockets(struct supervisor *s, char *why, size_t why_size);

/* Opens what a member listens at once more, at the address that it has had, in place of
 * HANDED_LOST; on an error, that it stays. */
int setup_socket_again(struct supervisor *s, struct member *m, char *why, size_t why_size);

/* In a program that an upgrade made of us, in place of setup_process. */
int setup_process_again(void);

void setup_finish(struct supervisor *s);

#endif
