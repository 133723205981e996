/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a model of the Llama architecture with random weights in GGUF (version 3): matrices in Q4_K, norms in F32,
 * embedding and output tied. The same seed gives the same file.
 *
 *     gguf [--words] FILE [layers hidden ffn heads kv_heads vocabulary]     default: 16 2048 8192 32 8 128256 (0.7 GB)
 *
 * Without --words the model has no vocabulary and takes token numbers. With it the vocabulary is one of byte-level BPE
 * without merges: the 256 bytes, then " w256", " w257" ..., at last the token that ends a text.
 *
 * Q4_K stores 256 values in 144 bytes: half d, half dmin, 12 bytes with eight 6-bit scales and minima, 128 bytes of
 * 4-bit quants; value = d * scale * quant - dmin * minimum. With dmin = 7.5 d and minimum = scale the values have
 * mean 0; d is chosen for a standard deviation of 0.02 in the embedding and 0.06 elsewhere: the layers outweigh the
 * embedding, so that the tokens chosen vary.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_F32 = 0, TYPE_Q4_K = 12, ALIGNMENT = 32 };
enum { KEY_UINT32 = 4, KEY_INT32 = 5, KEY_FLOAT32 = 6, KEY_STRING = 8, KEY_ARRAY = 9 };
enum { TOKEN_NORMAL = 1, TOKEN_CONTROL = 3 };

#define BLOCK_VALUES 256
#define BLOCK_BYTES 144
#define BYTES 256

/* d and dmin as halves */
static const uint16_t embedding_scale[2] = { 0x0871, 0x142a };	/* 1.36e-4, 1.02e-3 */
static const uint16_t layer_scale[2] = { 0xeaa, 0x1a40 };	/* 4.07e-4, 3.05e-3 */

struct shape {
	uint32_t layers, hidden, ffn, heads, kv_heads, vocabulary;
};

struct tensor {
	char name[64];
	uint64_t columns, rows;	/* rows 0: a vector */
	uint32_t type;
	uint64_t offset;
};

static FILE *file;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const void *data, size_t bytes)
{
	if (fwrite(data, 1, bytes, file) != bytes)
		fail("writing the model");
}

static void put_u32(uint32_t value)
{
	put(&value, 4);
}

static void put_u64(uint64_t value)
{
	put(&value, 8);
}

static void put_string(const char *text)
{
	put_u64(strlen(text));
	put(text, strlen(text));
}

static void key_u32(const char *key, uint32_t value)
{
	put_string(key);
	put_u32(KEY_UINT32);
	put_u32(value);
}

static void key_f32(const char *key, float value)
{
	put_string(key);
	put_u32(KEY_FLOAT32);
	put(&value, 4);
}

static void key_string(const char *key, const char *value)
{
	put_string(key);
	put_u32(KEY_STRING);
	put_string(value);
}

static void key_array(const char *key, uint32_t type, uint64_t count)
{
	put_string(key);
	put_u32(KEY_ARRAY);
	put_u32(type);
	put_u64(count);
}

/* A byte as byte-level BPE spells it: printable Latin-1 is itself, the others are U+0100 and on, in order. */
static void put_byte_token(unsigned int byte)
{
	uint32_t letter = byte, others = 0x100;
	char text[3] = { 0 };

	for (unsigned int b = 0; b <= byte; b++) {
		int printable = (b > 0x20 && b < 0x7f) || (b > 0xa0 && b != 0xad);

		letter = printable ? b : others;
		others += !printable;
	}
	if (letter < 0x80) {
		text[0] = (char)letter;
	} else {
		text[0] = (char)(0xc0 | letter >> 6);
		text[1] = (char)(0x80 | (letter & 0x3f));
	}
	put_string(text);
}

static void put_words(uint32_t count)
{
	char text[16];

	key_string("tokenizer.ggml.model", "gpt2");
	key_string("tokenizer.ggml.pre", "llama-bpe");
	key_array("tokenizer.ggml.tokens", KEY_STRING, count);
	for (uint32_t i = 0; i < count - 1; i++) {
		if (i < BYTES) {
			put_byte_token(i);
			continue;
		}
		snprintf(text, sizeof(text), "\xc4\xa0w%u", i);	/* U+0120: a blank */
		put_string(text);
	}
	put_string("<|end|>");
	key_array("tokenizer.ggml.token_type", KEY_INT32, count);
	for (uint32_t i = 0; i < count; i++)
		put_u32(i < count - 1 ? TOKEN_NORMAL : TOKEN_CONTROL);
	key_array("tokenizer.ggml.merges", KEY_STRING, 0);
	key_u32("tokenizer.ggml.bos_token_id", count - 1);
	key_u32("tokenizer.ggml.eos_token_id", count - 1);
}
#define KEYS_OF_WORDS 7

static void put_keys(const struct shape *s, int words)
{
	key_string("general.architecture", "llama");
	key_string("general.name", "random weights");
	key_u32("general.file_type", 14);
	key_u32("llama.vocab_size", s->vocabulary);
	key_u32("llama.context_length", 131072);
	key_u32("llama.embedding_length", s->hidden);
	key_u32("llama.block_count", s->layers);
	key_u32("llama.feed_forward_length", s->ffn);
	key_u32("llama.attention.head_count", s->heads);
	key_u32("llama.attention.head_count_kv", s->kv_heads);
	key_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
	key_u32("llama.rope.dimension_count", s->hidden / s->heads);
	key_f32("llama.rope.freq_base", 500000.0f);
	if (words)
		put_words(s->vocabulary);
	else
		key_string("tokenizer.ggml.model", "no_vocab");
}
#define KEYS_OF_SHAPE 13

static uint64_t tensor_bytes(const struct tensor *tensor)
{
	if (tensor->type == TYPE_F32)
		return tensor->columns * 4;
	return tensor->columns * tensor->rows / BLOCK_VALUES * BLOCK_BYTES;
}

static struct tensor *list_tensors(const struct shape *s, size_t *count)
{
	uint64_t kv = (uint64_t)s->hidden / s->heads * s->kv_heads;
	const struct {
		const char *name;
		uint64_t columns, rows;
	} layer[] = {
		{ "attn_norm", s->hidden, 0 },	 { "attn_q", s->hidden, s->hidden },
		{ "attn_k", s->hidden, kv },	 { "attn_v", s->hidden, kv },
		{ "attn_output", s->hidden, s->hidden },
		{ "ffn_norm", s->hidden, 0 },	 { "ffn_gate", s->hidden, s->ffn },
		{ "ffn_up", s->hidden, s->ffn }, { "ffn_down", s->ffn, s->hidden },
	};
	const size_t per_layer = sizeof(layer) / sizeof(layer[0]);
	struct tensor *tensors = calloc(2 + s->layers * per_layer, sizeof(*tensors));
	uint64_t offset = 0;
	size_t n = 0;

	if (!tensors)
		fail("listing tensors");
	tensors[n++] = (struct tensor){ "token_embd.weight", s->hidden, s->vocabulary, TYPE_Q4_K, 0 };
	tensors[n++] = (struct tensor){ "output_norm.weight", s->hidden, 0, TYPE_F32, 0 };
	for (uint32_t l = 0; l < s->layers; l++)
		for (size_t i = 0; i < per_layer; i++, n++) {
			snprintf(tensors[n].name, sizeof(tensors[n].name), "blk.%u.%s.weight", l, layer[i].name);
			tensors[n].columns = layer[i].columns;
			tensors[n].rows = layer[i].rows;
			tensors[n].type = layer[i].rows ? TYPE_Q4_K : TYPE_F32;
		}
	for (size_t i = 0; i < n; i++) {
		tensors[i].offset = offset;
		offset += (tensor_bytes(&tensors[i]) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	}
	*count = n;
	return tensors;
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static void fill_block(unsigned char *block, const uint16_t scales[2], uint64_t *random)
{
	unsigned char scale[8];
	uint64_t bits = next_random(random);

	memcpy(block, scales, 4);
	for (int i = 0; i < 8; i++)
		scale[i] = 24 + (bits >> (8 * i) & 15);
	/* 6-bit scale and minimum of eight sub-blocks; here both are the same number */
	for (int i = 0; i < 4; i++) {
		block[4 + i] = (unsigned char)(scale[i] | (scale[i + 4] >> 4) << 6);
		block[8 + i] = block[4 + i];
		block[12 + i] = (unsigned char)((scale[i + 4] & 15) | (scale[i + 4] & 15) << 4);
	}
	for (int i = 16; i < BLOCK_BYTES; i += 8) {
		bits = next_random(random);
		memcpy(block + i, &bits, 8);
	}
}

static void put_tensor(const struct tensor *tensor, uint64_t seed)
{
	static unsigned char buffer[BLOCK_BYTES * 8192];
	uint64_t bytes = tensor_bytes(tensor), left = bytes;
	static const char zeros[ALIGNMENT];
	const uint16_t *scales = strcmp(tensor->name, "token_embd.weight") ? layer_scale : embedding_scale;

	for (uint64_t i = 0; tensor->type == TYPE_F32 && i < tensor->columns; i++)
		put(&(const float){ 1.0f }, 4);
	while (tensor->type == TYPE_Q4_K && left) {
		uint64_t part = left < sizeof(buffer) ? left : sizeof(buffer);

		for (uint64_t at = 0; at < part; at += BLOCK_BYTES)
			fill_block(buffer + at, scales, &seed);
		put(buffer, part);
		left -= part;
	}
	put(zeros, (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT);
}

int main(int argc, char **argv)
{
	struct shape shape = { 16, 2048, 8192, 32, 8, 128256 };
	uint32_t *fields = (uint32_t *)&shape;
	static const char zeros[ALIGNMENT];
	struct tensor *tensors;
	size_t count;
	int words;
	long at;

	words = argc > 1 && !strcmp(argv[1], "--words");
	argc -= words;
	argv += words;
	if (argc != 2 && argc != 8) {
		fprintf(stderr, "usage: gguf [--words] FILE [layers hidden ffn heads kv_heads vocabulary]\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		fields[i - 2] = (uint32_t)strtoul(argv[i], NULL, 10);
	if (!shape.heads || !shape.kv_heads || shape.hidden % BLOCK_VALUES || shape.ffn % BLOCK_VALUES ||
	    shape.hidden % shape.heads || !shape.vocabulary || (words && shape.vocabulary <= BYTES)) {
		fprintf(stderr, "gguf: hidden and ffn must be multiples of %d, hidden one of heads, words more than %d\n",
			BLOCK_VALUES, BYTES);
		return 2;
	}
	file = fopen(argv[1], "wb");
	if (!file)
		fail(argv[1]);
	setvbuf(file, NULL, _IOFBF, 1 << 20);

	tensors = list_tensors(&shape, &count);
	put("GGUF", 4);
	put_u32(3);
	put_u64(count);
	put_u64(KEYS_OF_SHAPE + (words ? KEYS_OF_WORDS : 1));
	put_keys(&shape, words);
	for (size_t i = 0; i < count; i++) {
		put_string(tensors[i].name);
		put_u32(tensors[i].rows ? 2 : 1);
		put_u64(tensors[i].columns);
		if (tensors[i].rows)
			put_u64(tensors[i].rows);
		put_u32(tensors[i].type);
		put_u64(tensors[i].offset);
	}
	at = ftell(file);
	put(zeros, (ALIGNMENT - at % ALIGNMENT) % ALIGNMENT);
	for (size_t i = 0; i < count; i++)
		put_tensor(&tensors[i], 0x9e3779b97f4a7c15ull * (i + 1));
	free(tensors);
	if (fclose(file))
		fail("closing the model");
	return 0;
}
