/*
 * Strings that guests give again and again, paths above all: a table with one place per hash value, where a string that was there before is
 * found without one of JavaScript being made or looked at.
 */
#define STRING_SLOTS 1024
/* What fits, without the NUL: whole words, the last one filled up with zeros. */
#define STRING_MAX 120
/* Bytes read at a time. */
#define STRING_STEP 64
#define STRING_TOO_LONG -2000
#define STRING_FAULT -2001

struct string_place {
  i64 length;
  u64 words[STRING_MAX / 8];
};

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
  place = table + n;
  if (place->length == length) {
    for (i = 0; i < count && place->words[i] == words[i]; i++) {
    }
    if (i == count) {
      return n;
    }
  }
  place->length = length;
  for (i = 0; i < count; i++) {
    place->words[i] = words[i];
  }
  return -1 - n;
}
