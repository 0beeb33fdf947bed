/* A disk that misbehaves: preloaded into the server, it stands before the C library's calls.
 *
 * QUAN_SHIM_FOLDER   only files below this folder are touched
 * QUAN_SHIM_CONTROL  a file, read at every call: "<fault> <n>"; the n-th call after the file was
 *                    changed is the first to misbehave. A file <control>.hit appears when one does.
 *
 * hang  fdatasync never returns (what was written stays in the page cache)
 * eio   fdatasync fails once, without syncing anything
 * full  pwrite writes half and then finds no room, every time
 * lie   fdatasync and fsync say yes and do nothing, every time
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int calls;
static _Atomic unsigned long version;

/* Whether the file is below the folder. */
static int ours(int fd) {
    const char *folder = getenv("QUAN_SHIM_FOLDER");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (folder == NULL || length < 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

/* Whether this call is one that `fault` is told about. */
static int due(const char *fault) {
    const char *control = getenv("QUAN_SHIM_CONTROL");
    char text[64] = "", name[16] = "";
    int from = 0;
    int fd = control == NULL ? -1 : open(control, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0 || sscanf(text, "%15s %d", name, &from) != 2 || strcmp(name, fault) != 0)
        return 0;
    unsigned long hash = 5381;
    for (const char *c = text; *c; c++) hash = hash * 33 + (unsigned char)*c;
    if (atomic_exchange(&version, hash) != hash) atomic_store(&calls, 0);
    int call = atomic_fetch_add(&calls, 1) + 1;
    if (call < from || (call > from && strcmp(fault, "eio") == 0)) return 0;
    char hit[4096];
    snprintf(hit, sizeof hit, "%s.hit", control);
    close(open(hit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    return 1;
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (ours(fd)) {
        if (due("lie")) return 0;
        if (due("eio")) { errno = EIO; return -1; }
        if (due("hang")) for (;;) pause();
    }
    return real(fd);
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return ours(fd) && due("lie") ? 0 : real(fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (ours(fd) && due("full")) {
        if (count > 1) real(fd, bytes, count / 2, offset);
        errno = ENOSPC;
        return -1;
    }
    return real(fd, bytes, count, offset);
}
