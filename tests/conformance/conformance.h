/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the families of the conformance suite share. The suite runs natively and on a
 * virtual GPU; the outputs are compared line by line, so whatever only the driver can
 * settle becomes a note of its check.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "driver_test.h"

/* Every family: its file defines the group. */
#define FAMILIES(X)                                                                                                   \
	X(context_family)                                                                                             \
	X(primary_family)                                                                                             \
	X(device_family)                                                                                              \
	X(stream_family)                                                                                              \
	X(event_family)                                                                                               \
	X(memop_family)                                                                                               \
	X(callback_family)                                                                                            \
	X(callback_fault_family)                                                                                      \
	X(registered_family)                                                                                          \
	X(printing_family)                                                                                            \
	X(assertion_family)                                                                                           \
	X(fill_family)                                                                                                \
	X(linear_family)                                                                                              \
	X(pool_family)                                                                                                \
	X(stream_ordered_family)                                                                                      \
	X(managed_family)                                                                                             \
	X(green_family)                                                                                               \
	X(process_family)                                                                                             \
	X(fault_family)                                                                                               \
	X(loading_family)                                                                                             \
	X(sharing_family)                                                                                             \
	X(descriptor_family)                                                                                          \
	X(shared_event_family)                                                                                        \
	X(linker_family)                                                                                              \
	X(tensor_map_family)                                                                                          \
	X(texture_family)                                                                                             \
	X(reference_family)                                                                                           \
	X(copy_family)                                                                                                \
	X(copy_beside_family)                                                                                         \
	X(function_family)                                                                                            \
	X(occupancy_family)                                                                                           \
	X(launch_family)                                                                                              \
	X(launch_attribute_family)                                                                                    \
	X(array_family)                                                                                               \
	X(bare_thread_family)                                                                                         \
	X(place_family)                                                                                               \
	X(first_version_family)                                                                                       \
	X(graph_node_family)                                                                                          \
	X(graph_edge_family)                                                                                          \
	X(graph_params_family)                                                                                        \
	X(graph_life_family)                                                                                          \
	X(graph_capture_family)                                                                                       \
	X(graph_memory_family)                                                                                        \
	X(device_error_family)                                                                                        \
	X(memory_error_family)                                                                                        \
	X(vmm_error_family)                                                                                           \
	X(copy_error_family)                                                                                          \
	X(stream_error_family)                                                                                        \
	X(launch_error_family)                                                                                        \
	X(graph_error_family)                                                                                         \
	X(capture_rule_family)

#define DECLARE(family) extern const struct check_group family;
FAMILIES(DECLARE)
#undef DECLARE

/* Declares and binds a call that cuda_driver.h lacks: BIND(cuCtxAttach, CUcontext *, unsigned int); */
#define BIND(symbol, ...) CUresult (*symbol)(__VA_ARGS__) = (CUresult(*)(__VA_ARGS__))cuda_driver_symbol(#symbol)

/* The result of a call, whatever it is, becomes a note. */
#define NOTE(call) (check_line = __LINE__, check_note("%d", (int)(call)))

#endif
