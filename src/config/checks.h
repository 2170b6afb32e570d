/* SPDX-License-Identifier: MIT */
/* Rules that a type alone does not say. Each looks at one value that already has its type. */
#ifndef CONFIG_CHECKS_H
#define CONFIG_CHECKS_H

struct loader;
struct doc_node;

void check_policy(struct loader *l, struct doc_node *node); /* allow with alsoAllow */
void check_sandbox(struct loader *l, struct doc_node *node); /* networks */
void check_docker(struct loader *l, struct doc_node *node); /* memory and swap */
void check_confined(struct loader *l, struct doc_node *node); /* "unconfined" */
void check_env(struct loader *l, struct doc_node *node); /* names */
void check_cidr(struct loader *l, struct doc_node *node);
void check_binds(struct loader *l, struct doc_node *node);
void check_memory(struct loader *l, struct doc_node *node);
void check_ulimits(struct loader *l, struct doc_node *node); /* names */
void check_loop_detection(struct loader *l, struct doc_node *node);
void check_agents(struct loader *l, struct doc_node *node); /* ids, directories */
void check_absolute(struct loader *l, struct doc_node *node);
void check_profiles(struct loader *l, struct doc_node *node); /* browser profiles */
void check_allow_missing(struct loader *l, struct doc_node *node);
void check_token(struct loader *l, struct doc_node *node);

#endif
