// SPDX-License-Identifier: MIT
// System calls that Python's standard library lacks. Typed and described in _native.pyi.
#include "native.hpp"
#include <cerrno>
#include <cstdint>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace py = pybind11;

namespace {

const char *text_or_null(const std::string &text) { return text.empty() ? nullptr : text.c_str(); }

int native_mount(const std::string &source, const std::string &target, const std::string &fstype, unsigned long flags,
                 const std::string &data) {
    py::gil_scoped_release released;
    return mount(source.c_str(), target.c_str(), text_or_null(fstype), flags, text_or_null(data)) == 0 ? 0 : errno;
}

int native_umount(const std::string &target, int flags) {
    py::gil_scoped_release released;
    return umount2(target.c_str(), flags) == 0 ? 0 : errno;
}

py::object block_device(const std::string &path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int logical = 0;
    unsigned physical = 0;
    uint64_t bytes = 0;
    const bool good = fd >= 0 && ioctl(fd, BLKSSZGET, &logical) == 0 && ioctl(fd, BLKPBSZGET, &physical) == 0 &&
                      ioctl(fd, BLKGETSIZE64, &bytes) == 0 && logical > 0;
    if (fd >= 0) close(fd);
    if (!good) return py::none();
    return py::make_tuple(logical, physical, bytes / static_cast<unsigned>(logical));
}

// libcrypt is loaded when a password is at hand, and only then: not every image has one.
// A `setting` that is only a method's prefix ("$y$", "$6$") gets a fresh salt.
py::object hash_password(const std::string &password, const std::string &setting) {
    void *library = nullptr;
    for (const char *name : {"libcrypt.so.2", "libcrypt.so.1"})
        if ((library = dlopen(name, RTLD_NOW))) break;
    if (!library) return py::none();
    const auto gensalt = reinterpret_cast<char *(*)(const char *, unsigned long, const char *, int)>(
        dlsym(library, "crypt_gensalt"));
    const auto crypt = reinterpret_cast<char *(*)(const char *, const char *)>(dlsym(library, "crypt"));
    const bool prefix = setting.size() < 5;
    const char *salt = !prefix ? setting.c_str() : gensalt ? gensalt(setting.c_str(), 0, nullptr, 0) : nullptr;
    const char *hash = salt && crypt ? crypt(password.c_str(), salt) : nullptr;
    py::object result = hash && hash[0] == '$' ? py::object(py::str(hash)) : py::none();
    dlclose(library);
    return result;
}

} // namespace

void define_native(py::module_ &module) {
    module.attr("version") = GENPACK_INIT_VERSION;
    module.def("mount", native_mount, py::arg("source"), py::arg("target"), py::arg("fstype"), py::arg("flags"), py::arg("data"));
    module.def("umount", native_umount, py::arg("target"), py::arg("flags"));
    module.def("block_device", block_device, py::arg("path"));
    module.def("hash_password", hash_password, py::arg("password"), py::arg("setting"));
}
