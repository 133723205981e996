/* SPDX-License-Identifier: Apache-2.0 */
/* All roles that a child process can play. */
#include "child.h"

#define ROLES(X) X(reader_role) X(owner_role) X(mapper_role) X(listener_role) \
	X(worker_role) X(forker_role) X(leaver_role) X(victim_role) X(surroundings_role) X(blocking_role) \
	X(settler_role) X(breaker_role) X(early_role)

#define DECLARE(name) extern const struct role name;
ROLES(DECLARE)
#undef DECLARE

#define ADDRESS(name) &name,
const struct role *const roles[] = { ROLES(ADDRESS) };
const size_t role_count = sizeof(roles) / sizeof(roles[0]);
