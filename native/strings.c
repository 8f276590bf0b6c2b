/*
 * Strings that guests give again and again, paths above all: a table with two places per hash value, where a string that was there before
 * is found without one of JavaScript being made or looked at.
 */
#define STRING_SLOTS 4096
/* What fits, without the NUL: whole words, the last one filled up with zeros. */
#define STRING_MAX 120
/* Bytes read at a time. */
#define STRING_STEP 64
#define STRING_TOO_LONG -20000
#define STRING_FAULT -20001

struct string_place {
  i64 length;
  u64 words[STRING_MAX / 8];
};

/* Whether the string is at that place. A place where none was put holds the empty one. */
static int string_is_at(struct string_place *place, i64 length, u64 *words, i64 count) {
  i64 i;
  if (place->length != length) {
    return 0;
  }
  for (i = 0; i < count && place->words[i] == words[i]; i++) {
  }
  return i == count;
}

/*
 * The string at p, of which `room` bytes may be read. Returns the number of its place where it was there before; -1 minus the number when it has been
 * put there now, in place of another; or one of the two above: there is no NUL in what fits, or not in what can be read.
 */
i64 string_find(struct string_place *table, u8 *p, i64 room) {
  u64 words[STRING_MAX / 8 + 3];
  u8 *bytes = (u8 *)words;
  i64 end = 0;
  i64 length, count, n, i;
  u64 w, hash = 0;
  struct string_place *place;
  if (room > STRING_MAX + 1) {
    room = STRING_MAX + 1;
  }
  i = 0;
  for (;;) {
    i64 want = room - end;
    if (want > STRING_STEP) {
      want = STRING_STEP;
    }
    if (want <= 0) {
      return STRING_TOO_LONG;
    }
    n = want - safe_copy(bytes + end, p + end, want);
    end += n;
    /* The search ends here at the latest. */
    *(u64 *)(bytes + end) = 0;
    for (w = words[i]; ((w - 0x0101010101010101ul) & ~w & 0x8080808080808080ul) == 0; w = words[i]) {
      i++;
    }
    length = i * 8;
    while (bytes[length] != 0) {
      length++;
    }
    if (length < end) {
      break;
    }
    if (n < want) {
      return STRING_FAULT;
    }
  }
  count = (length + 7) / 8;
  if ((length & 7) != 0) {
    words[count - 1] &= ~0ul >> (64 - 8 * (length & 7));
  }
  for (i = 0; i < count; i++) {
    hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ul;
    hash ^= hash >> 32;
  }
  n = hash & (STRING_SLOTS - 1);
  if (string_is_at(table + n, length, words, count)) {
    return n;
  }
  if (string_is_at(table + (n ^ 1), length, words, count)) {
    return n ^ 1;
  }
  if (table[n].length != 0 && table[n ^ 1].length == 0) {
    n ^= 1;
  }
  place = table + n;
  place->length = length;
  for (i = 0; i < count; i++) {
    place->words[i] = words[i];
  }
  return -1 - n;
}

/* Bytes of an argument that are read at a time, and the most of one with its NUL (MAX_ARG_STRLEN). */
#define ARGUMENT_STEP 256
#define ARGUMENT_MAX 131072

/* The length with its NUL of the string in [p, end), looking from `at` on; 0 when there is no NUL. Up to 7 bytes behind the end are read. */
static i64 string_end(u8 *p, u8 *at, u8 *end) {
  u64 w;
  while (at < end) {
    w = *(u64 *)at;
    if (((w - 0x0101010101010101ul) & ~w & 0x8080808080808080ul) != 0) {
      while (*at != 0) {
        at++;
      }
      return at < end ? at + 1 - p : 0;
    }
    at += 8;
  }
  return 0;
}

/*
 * Copies the strings behind `count` pointers of a guest to dst, one behind the other, as far as they lie in its memory [start, end), which is at `host`
 * here. Ends before the first that does not, or has no NUL in it, or is too long, or does not fit into room bytes (there are 8 more).
 * Returns the bytes stored plus 2^32 for each string.
 */
i64 strings_take(u8 *dst, i64 room, u64 *pointers, i64 count, u64 start, u64 end, u8 *host) {
  i64 used = 0;
  i64 i;
  for (i = 0; i < count; i++) {
    u64 p = pointers[i];
    u8 *to = dst + used;
    i64 most, done = 0, length = 0;
    if (p < start || p >= end) {
      break;
    }
    most = end - p;
    if (most > room - used) {
      most = room - used;
    }
    if (most > ARGUMENT_MAX) {
      most = ARGUMENT_MAX;
    }
    while (length == 0 && done < most) {
      i64 want = most - done < ARGUMENT_STEP ? most - done : ARGUMENT_STEP;
      i64 n = want - safe_copy(to + done, host + (p - start) + done, want);
      length = string_end(to, to + done, to + done + n);
      done += n;
      if (n < want) {
        break;
      }
    }
    if (length == 0) {
      break;
    }
    used += length;
  }
  return used + (i << 32);
}

/* Stores pointers to `count` strings that lie one behind the other at `strings` and will be at `address` for the guest. */
void strings_point(u64 *out, u8 *strings, i64 count, u64 address) {
  u8 *p = strings;
  i64 i;
  for (i = 0; i < count; i++) {
    out[i] = address + (p - strings);
    p += string_end(p, p, p + ARGUMENT_MAX);
  }
}

/* How many of `count` words come before the first that is zero. */
i64 words_until_zero(u64 *words, i64 count) {
  i64 i = 0;
  while (i < count && words[i] != 0) {
    i++;
  }
  return i;
}
