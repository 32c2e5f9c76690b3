/* The one signal flag of this program. */
#include "tools/troupe/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t came;

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void note(int number)
{
	came = number;
}

void interrupt_watch(void)
{
	/* No SA_RESTART: whoever waits shall look. A signal that was ignored stays so (nohup). */
	const struct sigaction action = {.sa_handler = note};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction before;
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

bool interrupt_came(void *arg)
{
	(void)arg;
	return came != 0;
}

void interrupt_pass_on(void)
{
	if (came == 0)
		return;
	signal(came, SIG_DFL);
	kill(getpid(), came);
}
