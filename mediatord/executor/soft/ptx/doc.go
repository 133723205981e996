// Package ptx reads PTX, NVIDIA's textual instruction set, into a syntax tree.
//
// It knows the grammar of PTX ISA 1.0 to 9.0: module directives, functions,
// variables with initialisers, registers with scopes, labels, guards and
// operands. It does not know instructions: an instruction is its opcode, its
// modifiers and its operands, and whether that means something is for the
// package that compiles them to say. Names are resolved as far as scopes
// reach: registers and variables become references, what remains (labels,
// functions, variables of the module) stays a name.
//
// Grammar and names follow NVIDIA's "Parallel Thread Execution ISA".
package ptx
