/* What load and upstream share: time, a growing buffer, sockets, a hash of what a stream carried. */
#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HASH_SEED 14695981039346656037ULL

struct buffer {
    char *bytes;
    size_t length, room;
};

static inline uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000ULL + (uint64_t)at.tv_nsec;
}

static inline void fail(const char *what) {
    perror(what);
    exit(1);
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static inline uint64_t hashed(uint64_t hash, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211ULL;
    return hash;
}

static inline void append(struct buffer *to, const char *bytes, size_t length) {
    if (to->length + length > to->room) {
        to->room = (to->length + length) * 2;
        to->bytes = realloc(to->bytes, to->room);
        if (!to->bytes) fail("memory");
    }
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

static inline void forget(struct buffer *from, size_t length) {
    from->length -= length;
    memmove(from->bytes, from->bytes + length, from->length);
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline void watch(int epoll, int fd, void *what, bool also_writable) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (also_writable ? EPOLLOUT : 0), .data.ptr = what};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) && errno == ENOENT) epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static inline void without_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* The value of a header field in `head`, or NULL; `name` begins with "\r\n" and ends with ":". */
static inline const char *field(const char *head, size_t length, const char *name) {
    size_t long_ = strlen(name);
    for (size_t i = 0; i + long_ <= length; i++)
        if (head[i] == '\r' && !strncasecmp(head + i, name, long_)) return head + i + long_;
    return NULL;
}
