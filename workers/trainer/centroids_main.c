/* troupe-trainer-centroids: the trainer that learns by means, as a program. */
#include "workers/trainer/centroids.h"
#include "workers/trainer/step_back.h"

int main(int argc, char **argv)
{
	step_back();
	return worker_main(argc, argv, &centroids_table);
}
