# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system's files below a folder, and this very system with files of a test's own laid over it."""
import os
import pathlib
import subprocess

from harness import Skip


class Tree:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, path):
        return self.folder / path.lstrip("/")

    def write(self, path, text="", mode=0o644):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text, encoding="utf-8")
        self.path(path).chmod(mode)

    def read(self, path):
        return self.path(path).read_text(encoding="utf-8")

    def link(self, target, path):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).symlink_to(target)

    def has(self, path):
        return os.path.lexists(self.path(path))

    def all(self):
        return sorted(str(path) for path in self.folder.rglob("*"))


# A systemctl that writes down what it is told. /active: libvirtd runs; /broken: it does not start.
SYSTEMCTL = """#!/bin/sh
echo "$@" >>/log
case "$*" in
*is-active*libvirtd.service) [ -e /active ] ;;
*is-active*) exit 1 ;;
*"restart libvirtd.service") [ ! -e /broken ] || { echo "it failed" >&2; exit 1; } ;;
"start nwfilter-nft-leave.service") sh /run/nwfilter-nft/leave ;;
*"--value libvirtd.service") echo 1 ;;
esac
"""

# Notes which tables there are when it answers. /mute: it does not.
VIRSH = """#!/bin/sh
nft list tables >/tables
[ ! -e /mute ]
"""


class Layer(Tree):
    """Commands run with this system's root below the tree, whose files hide and complete it; what they write is found
    in the tree. It looks as if systemd ran, with a libvirtd.service."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.work, self.whole = folder / "work", folder / "all"
        self.work.mkdir(parents=True)
        self.whole.mkdir()
        super().__init__(folder / "upper")
        self.write("/etc/systemd/system/libvirtd.service")
        self.write("/usr/bin/systemctl", SYSTEMCTL, 0o755)
        self.write("/usr/bin/virsh", VIRSH, 0o755)
        self.write("/log")
        self.path("/run/systemd/system").mkdir(parents=True)

    def run(self, *command, code=0):
        mounts = (f"mount -t overlay -o lowerdir=/,upperdir={self.folder},workdir={self.work} none {self.whole}"
                  f" && mount --rbind /proc {self.whole}/proc && mount --rbind /dev {self.whole}/dev || exit 77\n")
        result = subprocess.run(["unshare", "-m", "sh", "-c", mounts + 'exec chroot "$@"', "sh", str(self.whole),
                                 *command],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode == 77:
            raise Skip(f"no overlay here: {result.stderr.strip()}")
        assert result.returncode == code, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def told(self):
        """What systemctl was told to do since the last time, without questions."""
        lines = self.read("/log").splitlines()
        self.write("/log")
        return [line for line in lines if "is-active" not in line and "--value" not in line]
