/* SPDX-License-Identifier: MIT */
/*
 * The images of containers, by id. A container that is made from a name has the engine look the name up
 * again whenever containers are listed, and read the image from the disk: with two hundred containers
 * that takes four times as long as the rest of the list. It also is another image than was looked at
 * when the name is moved in between.
 */
#ifndef DOCKER_IMAGE_H
#define DOCKER_IMAGE_H

#include "backend/docker/engine.h"

/* The label that holds the name. */
#define IMAGE_LABEL "creel.image"

/*
 * *ret is a new reference: the body of create.h with the id of its image, or body itself where the
 * engine does not say one; making the container then says why.
 */
int image_pin(struct engine *engine, json_t *body, json_t **ret, struct error *err);

/*
 * What a container of the engine's list is to be called, as the engine does it: the name that it was made
 * from, or the id when that name is another image's by now. ids keeps what was looked up: an object, empty
 * at first. Memory of ids' or the container's.
 */
const char *image_name(struct engine *engine, json_t *ids, const json_t *container);

#endif
