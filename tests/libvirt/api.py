# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's public functions for filters and bindings, straight from its library: for loops that are too many
for a virsh each, and for the numbers of errors. A connection may be used by one thread at a time."""
import ctypes as c

PROTOTYPES = {
    "virInitialize": (c.c_int, []),
    "virConnectOpen": (c.c_void_p, [c.c_char_p]),
    "virConnectClose": (c.c_int, [c.c_void_p]),
    "virConnectListAllNWFilters": (c.c_int, [c.c_void_p, c.c_void_p, c.c_uint]),
    "virConnectListAllNWFilterBindings": (c.c_int, [c.c_void_p, c.c_void_p, c.c_uint]),
    "virNWFilterLookupByName": (c.c_void_p, [c.c_void_p, c.c_char_p]),
    "virNWFilterLookupByUUIDString": (c.c_void_p, [c.c_void_p, c.c_char_p]),
    "virNWFilterDefineXMLFlags": (c.c_void_p, [c.c_void_p, c.c_char_p, c.c_uint]),
    "virNWFilterUndefine": (c.c_int, [c.c_void_p]),
    "virNWFilterGetName": (c.c_char_p, [c.c_void_p]),
    "virNWFilterGetUUIDString": (c.c_int, [c.c_void_p, c.c_char_p]),
    "virNWFilterGetXMLDesc": (c.c_void_p, [c.c_void_p, c.c_uint]),
    "virNWFilterFree": (c.c_int, [c.c_void_p]),
    "virNWFilterBindingLookupByPortDev": (c.c_void_p, [c.c_void_p, c.c_char_p]),
    "virNWFilterBindingCreateXML": (c.c_void_p, [c.c_void_p, c.c_char_p, c.c_uint]),
    "virNWFilterBindingDelete": (c.c_int, [c.c_void_p]),
    "virNWFilterBindingGetPortDev": (c.c_char_p, [c.c_void_p]),
    "virNWFilterBindingGetFilterName": (c.c_char_p, [c.c_void_p]),
    "virNWFilterBindingGetXMLDesc": (c.c_void_p, [c.c_void_p, c.c_uint]),
    "virNWFilterBindingFree": (c.c_int, [c.c_void_p]),
    "virGetLastError": (c.c_void_p, []),
    "virResetLastError": (None, []),
    "virSetErrorFunc": (None, [c.c_void_p, c.c_void_p]),
}

# libvirt/virterror.h
VIR_ERR_NO_SUPPORT = 3
VIR_ERR_INVALID_ARG = 8
VIR_ERR_OPERATION_FAILED = 9
VIR_ERR_XML_ERROR = 27
VIR_ERR_SYSTEM_ERROR = 38
VIR_ERR_XML_DETAIL = 35
VIR_ERR_RPC = 39
VIR_ERR_OPERATION_INVALID = 55
VIR_ERR_NO_NWFILTER = 62
VIR_ERR_CONFIG_UNSUPPORTED = 67
VIR_ERR_NO_NWFILTER_BINDING = 101

ERROR_FUNC = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p)


class ErrorHead(c.Structure):
    """The start of a virError."""
    _fields_ = [("code", c.c_int), ("domain", c.c_int), ("message", c.c_char_p), ("level", c.c_int)]


class LibvirtError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{message} (error {code})")
        self.code, self.message = code, message


class Library:
    """Loaded when the first connection is made, so that each process has its own."""

    def __init__(self):
        self.lib = c.CDLL("libvirt.so.0")
        self.libc = c.CDLL(None)
        self.libc.free.argtypes = [c.c_void_p]
        for name, (result, arguments) in PROTOTYPES.items():
            function = getattr(self.lib, name)
            function.restype, function.argtypes = result, arguments
        self.silence = ERROR_FUNC(lambda *_: None)
        self.lib.virSetErrorFunc(None, c.cast(self.silence, c.c_void_p))
        self.lib.virInitialize()

    def error(self):
        head = self.lib.virGetLastError()
        if not head:
            return LibvirtError(0, "no error was set")
        head = c.cast(head, c.POINTER(ErrorHead)).contents
        return LibvirtError(head.code, (head.message or b"").decode(errors="replace"))

    def text(self, pointer):
        if not pointer:
            raise self.error()
        value = c.cast(pointer, c.c_char_p).value.decode()
        self.libc.free(pointer)
        return value


library = None


class Connection:
    def __init__(self, uri):
        global library  # pylint: disable=global-statement
        if not library:
            library = Library()
        self.lib = library.lib
        self.conn = self._valid(self.lib.virConnectOpen(uri.encode()))

    def close(self):
        if self.conn:
            self.lib.virConnectClose(self.conn)
            self.conn = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def _valid(result):
        if not result or (isinstance(result, int) and result == -1):
            raise library.error()
        return result

    @staticmethod
    def _done(result):
        if result < 0:
            raise library.error()

    def _all(self, listing, describe, free):
        array = c.POINTER(c.c_void_p)()
        count = listing(self.conn, c.byref(array), 0)
        self._done(count)
        found = {}
        for index in range(count):
            key, value = describe(array[index])
            found[key] = value
            free(array[index])
        library.libc.free(c.cast(array, c.c_void_p))
        return found

    def _uuid(self, filter_):
        text = c.create_string_buffer(37)
        self._done(self.lib.virNWFilterGetUUIDString(filter_, text))
        return text.value.decode()

    def filters(self):
        """UUIDs by name."""
        return self._all(self.lib.virConnectListAllNWFilters,
                         lambda one: (self.lib.virNWFilterGetName(one).decode(), self._uuid(one)),
                         self.lib.virNWFilterFree)

    def bindings(self):
        """Filters by port."""
        return self._all(self.lib.virConnectListAllNWFilterBindings,
                         lambda one: (self.lib.virNWFilterBindingGetPortDev(one).decode(),
                                      self.lib.virNWFilterBindingGetFilterName(one).decode()),
                         self.lib.virNWFilterBindingFree)

    def define(self, xml, flags=0):
        filter_ = self._valid(self.lib.virNWFilterDefineXMLFlags(self.conn, xml.encode(), flags))
        name = self.lib.virNWFilterGetName(filter_).decode()
        self.lib.virNWFilterFree(filter_)
        return name

    def _with_filter(self, name, function):
        filter_ = self._valid(self.lib.virNWFilterLookupByName(self.conn, name.encode()))
        try:
            return function(filter_)
        finally:
            self.lib.virNWFilterFree(filter_)

    def undefine(self, name):
        self._with_filter(name, lambda one: self._done(self.lib.virNWFilterUndefine(one)))

    def filter_xml(self, name):
        return self._with_filter(name, lambda one: library.text(self.lib.virNWFilterGetXMLDesc(one, 0)))

    def bind(self, xml, flags=0):
        binding = self._valid(self.lib.virNWFilterBindingCreateXML(self.conn, xml.encode(), flags))
        self.lib.virNWFilterBindingFree(binding)

    def _with_binding(self, port, function):
        binding = self._valid(self.lib.virNWFilterBindingLookupByPortDev(self.conn, port.encode()))
        try:
            return function(binding)
        finally:
            self.lib.virNWFilterBindingFree(binding)

    def unbind(self, port):
        self._with_binding(port, lambda one: self._done(self.lib.virNWFilterBindingDelete(one)))

    def binding_xml(self, port):
        return self._with_binding(port, lambda one: library.text(self.lib.virNWFilterBindingGetXMLDesc(one, 0)))
