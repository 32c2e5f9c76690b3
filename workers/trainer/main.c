/* The trainer as a program of its own. */
#include "workers/trainer/step_back.h"
#include "workers/trainer/trainer.h"

int main(int argc, char **argv)
{
	step_back();
	return worker_main(argc, argv, &trainer_table);
}
