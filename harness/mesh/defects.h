#ifndef MESH_DEFECTS_H
#define MESH_DEFECTS_H

/* A defect of the builtin mesh is a change of its models' configuration, one row of defects.def. */

#include "mesh/mesh.h"
#include "model/model.h"

/* Puts the defect into what the models of one edge were given. */
void defect_apply(const struct defect *defect, struct model_config *m);

#endif
