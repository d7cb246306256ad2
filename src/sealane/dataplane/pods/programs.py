"""What an image that is a system or a tool holds and this machine may lack: programs, and files of its own. Pure.

A program or file that is missing is either what the image brings, or a mistake in the manifest. Which of them it is
decides whether a container is answered (`images`) or fails as it fails in Kubernetes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sealane.network.standins import HOST, TOOLS, runs_programs, short_name


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FETCHED = _words(
    "nc ncat netcat wget curl nslookup dig ping telnet kubectl jq openssl psql pg_isready mysql mysqladmin redis-cli"
    " mongo mongosh grpcurl envsubst unzip helm aws gcloud"
)
"""Programs that a script of a system image may call and that not every machine has."""

_APPLETS = _words(
    "[ [[ acpid addgroup adduser adjtimex arch arp arping ascii ash awk base32 base64 basename bc beep blkdiscard blkid"
    " blockdev bootchartd brctl bunzip2 busybox bzcat bzip2 cal cat chat chattr chgrp chmod chown chpasswd chpst chroot"
    " chrt chvt cksum clear cmp comm conspy cp cpio crc32 crond crontab cryptpw cttyhack cut date dc dd deallocvt"
    " delgroup deluser depmod devmem df dhcprelay diff dirname dmesg dnsd dnsdomainname dos2unix dpkg dpkg-deb du"
    " dumpkmap dumpleases echo ed egrep eject env envdir envuidgid ether-wake expand expr factor fakeidentd fallocate"
    " false fatattr fbset fbsplash fdflush fdformat fdisk fgconsole fgrep find findfs flock fold free freeramdisk fsck"
    " fsck.minix fsfreeze fstrim fsync ftpd ftpget ftpput fuser getfattr getopt getty grep groups gunzip gzip halt hd"
    " hdparm head hexdump hexedit hostid hostname httpd hush hwclock i2cdetect i2cdump i2cget i2cset i2ctransfer id"
    " ifconfig ifdown ifenslave ifplugd ifup inetd init inotifyd insmod install ionice iostat ip ipaddr ipcalc ipcrm"
    " ipcs iplink ipneigh iproute iprule iptunnel kbd_mode kill killall killall5 klogd last less link linux32 linux64"
    " linuxrc ln loadfont loadkmap logger login logname logread losetup lpd lpq lpr ls lsattr lsmod lsof lspci lsscsi"
    " lsusb lzcat lzma lzop makedevs makemime man md5sum mdev mesg microcom mim mkdir mkdosfs mke2fs mkfifo"
    " mkfs.ext2 mkfs.minix mkfs.vfat mknod mkpasswd mkswap mktemp modinfo modprobe more mount mountpoint mpstat mt mv"
    " nameif nanddump nandwrite nbd-client nc netstat nice nl nmeter nohup nologin nproc nsenter nslookup ntpd od"
    " openvt partprobe passwd paste patch pgrep pidof ping ping6 pipe_progress pivot_root pkill pmap popmaildir"
    " poweroff powertop printenv printf ps pscan pstree pwd pwdx raidautorun rdate rdev readahead readlink readprofile"
    " realpath reboot reformime remove-shell renice reset resize resume rev rm rmdir rmmod route rpm rpm2cpio rtcwake"
    " run-init run-parts runlevel runsv runsvdir rx script scriptreplay sed seedrng sendmail seq setarch setconsole"
    " setfattr setfont setkeycodes setlogcons setpriv setserial setsid setuidgid sh sha1sum sha256sum sha3sum sha512sum"
    " showkey shred shuf slattach sleep smemcap softlimit sort split ssl_client start-stop-daemon stat strings stty su"
    " sulogin sum sv svc svlogd svok swapoff swapon switch_root sync sysctl syslogd tac tail tar taskset tc tcpsvd tee"
    " telnet telnetd test tftp tftpd time timeout top touch tr traceroute traceroute6 tree true truncate ts tsort tty"
    " ttysize tunctl ubiattach ubidetach ubimkvol ubirename ubirmvol ubirsvol ubiupdatevol udhcpc udhcpc6 udhcpd udpsvd"
    " uevent umount uname unexpand uniq unix2dos unlink unlzma unshare unxz unzip uptime users usleep uudecode uuencode"
    " vconfig vi vlock volname w wall watch watchdog wc wget which who whoami whois xargs xxd xz xzcat yes zcat zcip"
)
"""https://busybox.net/downloads/BusyBox.html: what busybox and alpine have, and most of what every system has."""
_NETWORK = _words(
    "ab apachebench arping bind-tools bird bridge-utils conntrack ctop delv dhcping drill dig doggo ethtool fortio"
    " fping ftp grpcurl host http https httpie hping3 iftop ip6tables iperf iperf3 ipset iptables iptables-save ipvsadm"
    " lftp mtr nft ngrep nmap nping nstat oha rsync scapy scp screen snmpget socat speedtest-cli ss ssh ssh-keygen"
    " sshpass strace swaks tcpdump tcptraceroute tracepath tshark tmux vim websocat wrk"
)
"""What toolboxes for networks have."""
_SYSTEM = _words(
    "apk apt apt-cache apt-get apt-key dnf dpkg-reconfigure microdnf pacman rpm tdnf update-ca-certificates yum zypper"
    " bash bsdtar capsh curl file gawk git gpg gosu grpcurl jq locale-gen lua make mawk nano openssl perl pv python"
    " python3 stress sudo su-exec systemctl tini dumb-init tzselect useradd groupadd usermod userdel zip yq zsh zstd"
)
_LANGUAGES = _words(
    "bundle bundler composer corepack cpan cpanm docker-entrypoint.sh docker-php-entrypoint docker-php-ext-install erb"
    " gem idle irb node nodejs npm npx pear pecl perl php php-fpm phpize pip pip3 pnpm pydoc python python3 rake"
    " rdoc ri ruby yarn yarnpkg"
)
KNOWN_PROGRAMS = FETCHED | _APPLETS | _NETWORK | _SYSTEM | _LANGUAGES
"""Names of programs that an image may be meant to have when it is a system or a tool."""

_SEARCHED = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")
_OF_THE_POD = ("/tmp", "/run", "/var/run", "/var/tmp", "/dev", "/proc", "/sys")


def is_of_image(container: Mapping[str, Any], missing: str) -> bool:
    """Whether a program or file that is not on this machine is one that the container's image has.

    missing: a name, or a path. Images that are no systems and no tools have everything of their own; this machine's
    own files are all that `HOST` has. In a system, a name has to be that of a program which systems have: any other is
    a mistake, unless the image only has a tool's name and is somebody's own, such as calico/node. A path in a volume is
    a mistake as well, and one where programs put files of their own; other paths are the image's.
    """
    image: str = container.get("image") or ""
    if image.startswith(HOST):
        return False
    if not runs_programs(image):
        return True
    folder, slash, name = missing.rpartition("/")
    if not slash or folder in _SEARCHED:
        return name in KNOWN_PROGRAMS or (short_name(image) in TOOLS and _is_owned(image))
    if not missing.startswith("/") and not container.get("workingDir"):
        return True  # below the folder that the image says
    path = os.path.normpath(os.path.join(container.get("workingDir") or "/", missing))
    own = (*_OF_THE_POD, *(mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts") or ()))
    return not any(path == each or path.startswith(f"{each}/") for each in own)


def _is_owned(image: str) -> bool:
    """Whether it is published by somebody else than a registry itself: "calico/node", not "docker.io/library/node"."""
    owners = [each for each in image.partition("@")[0].split("/")[:-1] if "." not in each and ":" not in each]
    return bool(owners) and owners[-1] != "library"


def lacks(container: Mapping[str, Any], code: int, said: str) -> str:
    """Why a run that ended with `code` and these last words needed what only its image has; "" when it did not.

    126 and 127 are a shell's "cannot run" and "not found" (POSIX, Shell & Utilities, 2.8.2); of other codes it counts
    that the source of a copy, the script of an interpreter or the folder of `cd` was not there. A program that says
    nothing has failed of itself, and so has one that somebody types into.
    """
    if not code or container.get("stdin"):
        return ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for line in reversed(lines):
        if any(is_of_image(container, each) for each in _missing(line, code)):
            return f"it ended with {code} ({line[:200]})"
    return ""


_NOT_RUN = re.compile(
    r"^(?P<what>.*?):? *(?:(?:command )?not found|No such file or directory|[Pp]ermission denied|Is a directory"
    r"|cannot execute.*|Exec format error)$"
)
_INTERPRETER = r"(?:\S*/)?(?:sh|ash|dash|bash|python[\d.]*|ruby|perl|php|node)"
_NO_SOURCE = re.compile(
    r"^(?:\S*/)?(?:cp|mv|install|rsync|tar):.*(?:cannot stat|can't stat|Cannot stat|link_stat|for reading|can't open)"
    rf"|^{_INTERPRETER}: (?:can't open file|can't open '|0: cannot open|0: Can't open|No such file or directory -- )"
    r"|^(?:Error: Cannot find module|Could not open input file:|Can't open perl script)"
    r"|\bcd: (?:can't cd to|\S+: No such file)"
)
_QUOTED = re.compile(r"['\"‘]([^'\"’]+)['\"’]")
_PATH = re.compile(r"(?:^|[\s:])(/?[\w.@+\-*]+(?:/[\w.@+\-*]+)*/?)(?=[:\s,]|$)")


def _missing(line: str, code: int) -> Sequence[str]:
    """The programs and files that a line says are not there."""
    if _NO_SOURCE.search(line):
        return [path for path in _named(line) if "/" in path]
    found = _NOT_RUN.search(line) if code in (126, 127) else None
    if found is None:
        return []
    said = found["what"].rstrip(":")
    return _QUOTED.findall(said) or [said.rpartition(": ")[2].strip()]


def _named(line: str) -> Iterator[str]:
    words = line.replace("can't", "cannot")  # no quotation mark
    yield from _QUOTED.findall(words)
    yield from _PATH.findall(words)


def not_run(program: str, reason: str) -> str:
    """In kubelet's words, which are containerd's and runc's: why a program did not start. reason: of the system."""
    if reason == "No such file or directory":
        why = f"stat {program}: no such file or directory" if "/" in program else "executable file not found in $PATH"
    else:
        why = reason[:1].lower() + reason[1:]
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        f'unable to start container process: error during container init: exec: "{program}": {why}'
    )
