// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * flood SENDER RECEIVER SPOOFED HONEST [FRAMES]: what a guest sends as fast as it can, and what becomes of it.
 *
 * SENDER and RECEIVER are descriptors of taps of one bridge. Frames from the MAC address SPOOFED go into SENDER;
 * one in 256 comes from HONEST, which shows that the way is open. Both are broadcasts of an EtherType for
 * experiments. Counts until standard input ends and FRAMES spoofed ones (0) are sent, then prints, as JSON, how
 * many of each were sent and how many arrived at RECEIVER. A line read from standard input is answered with the
 * number of spoofed frames that have arrived by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAME_LEN = 60, HONEST_EVERY = 256, ADDRESS_LEN = 6 };

static const uint8_t MAGIC[] = "nwfilter-nft flood";

typedef struct {
  int fd;
  uint8_t spoofed[ADDRESS_LEN];
  uint8_t honest[ADDRESS_LEN];
  atomic_bool stop;
  atomic_uint_fast64_t spoofed_seen;
  atomic_uint_fast64_t honest_seen;
} Receiver;

static bool parse_address(const char *text, uint8_t address[ADDRESS_LEN]) {
  unsigned byte[ADDRESS_LEN];

  if (sscanf(text, "%x:%x:%x:%x:%x:%x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5]) != ADDRESS_LEN) {
    return false;
  }
  for (int i = 0; i < ADDRESS_LEN; i++) {
    address[i] = (uint8_t)byte[i];
  }
  return true;
}

static void make_frame(uint8_t frame[FRAME_LEN], const uint8_t source[ADDRESS_LEN]) {
  memset(frame, 0, FRAME_LEN);
  memset(frame, 0xff, ADDRESS_LEN);
  memcpy(frame + ADDRESS_LEN, source, ADDRESS_LEN);
  frame[12] = 0x88; /* 0x88b5: local experiments, IEEE 802 */
  frame[13] = 0xb5;
  memcpy(frame + 14, MAGIC, sizeof MAGIC);
}

static void take(Receiver *receiver, const uint8_t *frame, ssize_t len) {
  if (len < FRAME_LEN || memcmp(frame + 14, MAGIC, sizeof MAGIC) != 0) {
    return;
  }
  if (memcmp(frame + ADDRESS_LEN, receiver->spoofed, ADDRESS_LEN) == 0) {
    receiver->spoofed_seen++;
  } else if (memcmp(frame + ADDRESS_LEN, receiver->honest, ADDRESS_LEN) == 0) {
    receiver->honest_seen++;
  }
}

static void *receive(void *data) {
  Receiver *receiver = data;
  struct pollfd pollfd = {.fd = receiver->fd, .events = POLLIN};
  uint8_t frame[2048];
  ssize_t len;

  for (;;) {
    /* Read before the end is looked at: what was sent before it is in the queue by then. */
    bool last = receiver->stop;
    while ((len = read(receiver->fd, frame, sizeof frame)) > 0) {
      take(receiver, frame, len);
    }
    if (last) {
      return NULL;
    }
    poll(&pollfd, 1, 50);
  }
}

/** Whether standard input has ended; answers its lines. */
static bool input_ended(Receiver *receiver) {
  struct pollfd pollfd = {.fd = STDIN_FILENO, .events = POLLIN};
  char buffer[256];

  if (poll(&pollfd, 1, 0) <= 0) {
    return false;
  }
  ssize_t len = read(STDIN_FILENO, buffer, sizeof buffer);
  for (ssize_t i = 0; i < len; i++) {
    if (buffer[i] == '\n') {
      printf("%" PRIuFAST64 "\n", (uint_fast64_t)receiver->spoofed_seen);
      fflush(stdout);
    }
  }
  return len == 0;
}

static int flood(int sender, Receiver *receiver, uint64_t wanted) {
  uint8_t spoofed[FRAME_LEN], honest[FRAME_LEN];
  uint64_t sent = 0, honest_sent = 0, refused = 0;
  bool ended = false;

  make_frame(spoofed, receiver->spoofed);
  make_frame(honest, receiver->honest);
  while (!ended || sent < wanted) {
    for (int i = 1; i < HONEST_EVERY; i++) {
      if (write(sender, spoofed, FRAME_LEN) == FRAME_LEN) {
        sent++;
      } else if (errno != EAGAIN && errno != ENOBUFS) {
        refused++;
      }
    }
    honest_sent += write(sender, honest, FRAME_LEN) == FRAME_LEN;
    ended = ended || input_ended(receiver);
  }
  receiver->stop = true;
  printf("{\"spoofed_sent\": %" PRIu64 ", \"honest_sent\": %" PRIu64 ", \"not_sent\": %" PRIu64, sent, honest_sent,
         refused);
  return 0;
}

int main(int argc, char **argv) {
  static Receiver receiver;
  pthread_t thread;

  if (argc < 5 || !parse_address(argv[3], receiver.spoofed) || !parse_address(argv[4], receiver.honest)) {
    fputs("usage: flood SENDER RECEIVER SPOOFED HONEST [FRAMES]\n", stderr);
    return 2;
  }
  int sender = atoi(argv[1]);
  receiver.fd = atoi(argv[2]);
  if (fcntl(receiver.fd, F_SETFL, O_NONBLOCK) != 0 || pthread_create(&thread, NULL, receive, &receiver) != 0) {
    perror("flood");
    return 1;
  }
  flood(sender, &receiver, argc > 5 ? strtoull(argv[5], NULL, 10) : 0);
  pthread_join(thread, NULL);
  printf(", \"spoofed_arrived\": %" PRIuFAST64 ", \"honest_arrived\": %" PRIuFAST64 "}\n",
         (uint_fast64_t)receiver.spoofed_seen, (uint_fast64_t)receiver.honest_seen);
  return 0;
}
