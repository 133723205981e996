// SPDX-License-Identifier: Apache-2.0
/*
 * The table by which NVRTC keeps what it compiled, the driver's compute cache. cuDNN compiles the kernel of each plan,
 * so that without it a program that decodes compiles the same kernel for each token. Slots as NVRTC and nvJitLink of CUDA 12.9 and 13.0
 * call them.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "compute_cache.h"
#include "image_sum.h"
#include "process.h"
#include "sha256.h"
#include "tables.h"

enum { MACHINE_CODE = 1, PTX = 2 };

/* nvJitLink dies of a key that it does not get, so there is one for what cannot be named: under that nothing is kept. */
struct code_key {
	bool named;
	uint8_t digest[VG_CACHE_KEY];
};

/* What a key is made of. */
struct code_source {
	char use[8];
	uint32_t kind;		/* of the result */
	uint32_t architecture;	/* 90 */
	uint32_t specific;	/* its own features too, as sm_90a has them */
	uint32_t reserved;
	uint8_t data[32], options[32], host[32], build[32];
	uint8_t text[VG_CACHE_KEY];	/* of machine code: the key of the PTX that it is made from */
};

/*
 * The PTX that this thread asked for last. NVRTC asks for machine code right after it, naming the same bitcode and
 * the assembler's options only: what decided between bitcode and PTX (-ftz, -prec-div) is in the PTX's key alone.
 */
static __thread struct {
	bool known;
	uint8_t data[32], key[VG_CACHE_KEY];
} last_text;

static void sum_text(const char *text, uint8_t digest[32])
{
	vg_sha256(text ? text : "", text ? strlen(text) : 0, digest);
}

/* Names the PTX behind machine code, once. */
static bool take_last_text(struct code_source *source)
{
	bool known = last_text.known && memcmp(last_text.data, source->data, sizeof last_text.data) == 0;

	last_text.known = false;
	memcpy(source->text, last_text.key, sizeof source->text);
	return known;
}

/* Fills in what names the code; false for what is not known to be the whole of it. */
static bool name_code(struct code_source *source, const char *options)
{
	switch (source->kind) {
	case MACHINE_CODE:	/* from PTX that this thread has asked for */
		return take_last_text(source);
	case PTX:		/* nvJitLink's is of several inputs */
		return !options || !strstr(options, "-link-lto");
	default:
		return false;
	}
}

/* data: what goes into the compiler's back end; build: when the compiler was built. */
static CUresult make_key(struct code_key **key, unsigned int kind, const void *data, size_t size, const char *options,
			 const char *host, const char *build, unsigned int architecture, unsigned int specific)
{
	struct code_source source = {
		.use = "NVRTC 1", .kind = kind, .architecture = architecture, .specific = specific,
	};
	int result = vg_process_ready();

	if (result)
		return result;
	if (!key || !data || !size)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_image_sum(data, size, source.data);
	if (result)
		return result;
	*key = malloc(sizeof **key);
	if (!*key)
		return CUDA_ERROR_OUT_OF_MEMORY;
	(*key)->named = name_code(&source, options);
	sum_text(options, source.options);
	sum_text(host, source.host);
	sum_text(build, source.build);
	vg_sha256(&source, sizeof source, (*key)->digest);
	if (kind == PTX && (*key)->named) {
		memcpy(last_text.data, source.data, sizeof last_text.data);
		memcpy(last_text.key, (*key)->digest, sizeof last_text.key);
		last_text.known = true;
	}
	return 0;
}

static CUresult drop_key(struct code_key *key)
{
	free(key);
	return 0;
}

/* NVRTC's second argument is always NULL here and in store_code; what another would mean is not known. */
static CUresult find_code(const struct code_key *key, const void *unknown, void **data, uint32_t *size)
{
	if (!key || !data || !size)
		return CUDA_ERROR_INVALID_VALUE;
	if (unknown)
		return CUDA_ERROR_NOT_SUPPORTED;
	return key->named ? vg_cache_find(key->digest, data, size) : CUDA_ERROR_NOT_FOUND;
}

static CUresult store_code(const struct code_key *key, const void *unknown, const void *data, size_t size)
{
	if (!key || !data || size > UINT32_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	if (unknown)
		return CUDA_ERROR_NOT_SUPPORTED;
	return key->named ? vg_cache_store(key->digest, data, (uint32_t)size) : 0;
}

static CUresult drop_code(void *data)
{
	free(data);
	return 0;
}

const void *const vg_table_compilers[7] = {
	VG_TABLE_SIZE(7),
	[1] = (const void *)make_key,
	[2] = (const void *)drop_key,
	[3] = (const void *)find_code,
	[4] = (const void *)store_code,
	[5] = VG_UNSUPPORTED,
	[6] = (const void *)drop_code,
};
