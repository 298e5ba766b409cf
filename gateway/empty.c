/* Holds the place of this folder until its first source lands. */
typedef int empty_gateway_t;
