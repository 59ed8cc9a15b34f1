// SPDX-License-Identifier: MIT
// genpack-init-host: embeds Python. `--boot FD` (from PID 1) runs genpack_init.boot and reports over FD; any other
// arguments are those of the command line, genpack_init.cli.
#include "native.hpp"
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <pybind11/embed.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace py = pybind11;

PYBIND11_EMBEDDED_MODULE(_genpack_init_native, module) { define_native(module); }

namespace {

// Isolated: no environment variable and no user folder has a say; UTF-8 because PID 1 has no locale; no site module
// (saves 5 ms and every .pth file); the home folder is known, so nothing is searched; no .pyc.
void configure(PyConfig &config) {
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status)) throw std::runtime_error(status.err_msg);
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.parse_argv = 0;
    config.install_signal_handlers = 1;  // SIGPIPE ignored, as plugins know it from Python
    for (auto [field, text] : {std::pair{&config.home, PYTHON_HOME},
                               std::pair{&config.program_name, PYTHON_HOME "/bin/python" PYTHON_VERSION}}) {
        status = PyConfig_SetBytesString(&config, field, text);
        if (PyStatus_Exception(status)) throw std::runtime_error(status.err_msg);
    }
}

// genpack_init lies in the site folder of the prefix that this program lies in (libexec/..).
void add_site_folders(const char *argv0) {
    char own[PATH_MAX] = {};
    std::string prefix = "/usr";
    if (readlink("/proc/self/exe", own, sizeof own - 1) > 0 || argv0[0] == '/') {
        prefix = own[0] ? own : argv0;  // without /proc: PID 1 gives the whole path
        for (int up = 0; up < 2; up++) prefix.resize(prefix.rfind('/') == std::string::npos ? 0 : prefix.rfind('/'));
    }
    auto path = py::module_::import("sys").attr("path").cast<py::list>();
    for (const char *below : {"/lib/python" PYTHON_VERSION "/site-packages", "/lib64/python" PYTHON_VERSION "/site-packages",
                              "/local/lib/python" PYTHON_VERSION "/dist-packages", "/lib/python3/dist-packages"}) {
        struct stat info {};
        const std::string folder = prefix + below;
        if (stat(folder.c_str(), &info) == 0) path.append(folder);
    }
}

int run(bool boot, int argc, char **argv) {
    add_site_folders(argv[0]);
    auto sys = py::module_::import("sys");
    py::list arguments;
    for (int i = 0; i < argc; i++) arguments.append(py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefault(argv[i])));
    sys.attr("argv") = arguments;
    sys.attr("modules")["genpack_init._native"] = py::module_::import("_genpack_init_native");
    if (boot) return py::module_::import("genpack_init.boot").attr("main")(atoi(argv[2])).cast<int>();
    return py::module_::import("genpack_init.cli").attr("main")().cast<int>();
}

} // namespace

int main(int argc, char **argv) {
    const bool boot = argc == 3 && strcmp(argv[1], "--boot") == 0;
    if (boot) fcntl(atoi(argv[2]), F_SETFD, FD_CLOEXEC);  // no program that a plugin starts holds PID 1's pipe
    int status = 1;
    try {
        PyConfig config;
        configure(config);
        py::scoped_interpreter interpreter(&config, 0, nullptr, false);
        try {
            status = run(boot, argc, argv);
        } catch (py::error_already_set &error) {
            error.restore();
            PyErr_Print();  // ends the process for SystemExit, as python3 does
        }
        for (const char *name : {"stdout", "stderr"})
            if (PyObject *file = PySys_GetObject(name))
                if (PyObject *done = PyObject_CallMethod(file, "flush", nullptr)) Py_DECREF(done);
        PyErr_Clear();
        // The plugins are done: neither a thread nor an exit handler that one of them left may keep the boot waiting.
        if (boot) _exit(status);
    } catch (const std::exception &error) {
        fprintf(stderr, "genpack-init-host: error: %s\n", error.what());
        _exit(1);
    }
    return status;
}
