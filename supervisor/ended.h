/* Processes that are no children of ours: their end is known by their pidfd alone, and nobody but
 * their parent, whoever that is by now, can wait for them. */
#ifndef TROUPE_SUPERVISOR_ENDED_H
#define TROUPE_SUPERVISOR_ENDED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

/* Whether the kernel has confirmed its end. */
bool ended_surely(int pidfd);

/* How it ended, as waitid(2) would say: si_code and si_status; si_code 0: that cannot be known. Of
 * one that has ended only. */
void ended_how(int pidfd, pid_t pid, uint64_t start_time, siginfo_t *info);

/* As kill(2), but never to another process that was given the number since. */
void ended_signal(int pidfd, pid_t pid, int number);
void ended_signal_group(int pidfd, pid_t pid, int number);

#endif
