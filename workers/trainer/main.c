/* The trainer as a program of its own. */
#include "workers/trainer/trainer.h"

#include <sched.h>
#include <sys/resource.h>

/* Whoever has frames on the way goes first. Here and not in `open`: a process that is more than a
 * trainer (the sequential reference) keeps its priority. Training is not wrong when it is not
 * granted. */
static void step_back(void)
{
	const struct sched_param none = {0};
	sched_setscheduler(0, SCHED_BATCH, &none);
	setpriority(PRIO_PROCESS, 0, 10);
}

int main(int argc, char **argv)
{
	step_back();
	return worker_main(argc, argv, &trainer_table);
}
