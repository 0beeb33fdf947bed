/* Takes the power from the ext4 mounted at the first argument: from now on nothing reaches its
 * disk, and its own log is not flushed (EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(int count, char **arguments) {
    uint32_t no_log_flush = 2;
    int fd = count == 2 ? open(arguments[1], O_RDONLY) : -1;
    if (fd < 0 || ioctl(fd, _IOR('X', 125, uint32_t), &no_log_flush) != 0) {
        perror("cut");
        return 1;
    }
    return 0;
}
