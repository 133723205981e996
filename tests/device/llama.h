/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llama.cpp's C API of release b6845 as far as llama_run uses it: own declarations, bound at run time. The layouts
 * of the two parameter structs were checked by looking at what their default_params functions write.
 */
#ifndef LLAMA_H
#define LLAMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct llama_model_params {
	void **devices;
	const void *tensor_overrides;
	int32_t gpu_layers;
	int32_t split_mode;
	int32_t main_gpu;
	const float *tensor_split;
	bool (*progress)(float, void *);
	void *progress_data;
	const void *key_overrides;
	bool vocabulary_only, use_mmap, use_mlock, check_tensors, use_extra_buffers, no_host;
};

struct llama_context_params {
	uint32_t context, batch, physical_batch, sequences;
	int32_t threads, threads_batch;
	int32_t rope_scaling, pooling, attention, flash_attention;
	float rope_base, rope_scale, yarn_extrapolation, yarn_attention, yarn_beta_fast, yarn_beta_slow;
	uint32_t yarn_context;
	float defragmentation;
	void *evaluation_callback, *evaluation_data;
	int32_t type_k, type_v;
	void *abort_callback, *abort_data;
	bool embeddings, offload_kqv, no_performance, offload_operations, swa_full, kv_unified;
};

struct llama_batch {
	int32_t count;
	int32_t *tokens;
	float *embeddings;
	int32_t *positions;
	int32_t *sequence_counts;
	int32_t **sequences;
	int8_t *logits;
};

_Static_assert(sizeof(struct llama_model_params) == 72, "as in b6845");
_Static_assert(sizeof(struct llama_context_params) == 120, "as in b6845");
_Static_assert(offsetof(struct llama_context_params, type_k) == 88, "as in b6845");
_Static_assert(sizeof(struct llama_batch) == 56, "as in b6845");

/* X(result, symbol, member, parameters): first from libggml, then from libllama */
#define GGML_CALLS(X)                                                                                                 \
	X(void, ggml_backend_load_all_from_path, load_backends, (const char *directory))                              \
	X(size_t, ggml_backend_dev_count, device_count, (void))                                                       \
	X(void *, ggml_backend_dev_get, device_get, (size_t index))
#define GGML_BASE_CALLS(X)                                                                                            \
	X(const char *, ggml_backend_dev_name, device_name, (void *device))                                           \
	X(const char *, ggml_backend_dev_description, device_description, (void *device))
#define LLAMA_CALLS(X)                                                                                                \
	X(void, llama_backend_init, backend_init, (void))                                                             \
	X(void, llama_backend_free, backend_free, (void))                                                             \
	X(void, llama_log_set, log_set, (void (*callback)(int, const char *, void *), void *data))                    \
	X(struct llama_model_params, llama_model_default_params, model_defaults, (void))                              \
	X(struct llama_context_params, llama_context_default_params, context_defaults, (void))                        \
	X(void *, llama_model_load_from_file, model_load, (const char *path, struct llama_model_params params))       \
	X(void, llama_model_free, model_free, (void *model))                                                          \
	X(const void *, llama_model_get_vocab, model_vocabulary, (const void *model))                                 \
	X(int32_t, llama_vocab_n_tokens, vocabulary_size, (const void *vocabulary))                                   \
	X(void *, llama_init_from_model, context_new, (void *model, struct llama_context_params params))              \
	X(void, llama_free, context_free, (void *context))                                                            \
	X(void *, llama_get_memory, memory_of, (const void *context))                                                 \
	X(void, llama_memory_clear, memory_clear, (void *memory, bool data))                                          \
	X(struct llama_batch, llama_batch_get_one, batch_of, (int32_t * tokens, int32_t count))                       \
	X(int32_t, llama_decode, decode, (void *context, struct llama_batch batch))                                   \
	X(float *, llama_get_logits_ith, logits, (void *context, int32_t index))

#define LLAMA_MEMBER(result, symbol, member, parameters) result(*member) parameters;
struct llama {
	GGML_CALLS(LLAMA_MEMBER)
	GGML_BASE_CALLS(LLAMA_MEMBER)
	LLAMA_CALLS(LLAMA_MEMBER)
};
#undef LLAMA_MEMBER

/* Binds the libraries in `directory`. 0, or -1 after saying on stderr what is missing. */
int llama_open(struct llama *llama, const char *directory);

#endif
