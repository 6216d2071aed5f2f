"""A window to render into that nobody sees, or an error that says what is missing.

Without a display VTK renders through EGL or OSMesa, and where neither works its first render ends
the process (a segmentation fault). So EGL is tried out before VTK touches it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_void_p
from typing import TYPE_CHECKING

from MedAssistLib.errors import ResourceError

if TYPE_CHECKING:
    from vtkmodules.vtkRenderingCore import vtkRenderWindow

_EGL_PLATFORM_DEVICE = 0x313F
_OSMESA_NAMES = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")


def offscreen_window() -> vtkRenderWindow:
    """Return a new render window that shows nothing on the screen.

    Raises:
        ResourceError: If VTK is not installed or there is no OpenGL to render with.
    """
    try:
        from vtkmodules.vtkRenderingCore import vtkRenderWindow
        from vtkmodules.vtkRenderingOpenGL2 import vtkOpenGLRenderer  # noqa: F401 registers OpenGL
    except ImportError as error:
        hint = 'Install it with: pip install "medassist[scene]"'
        raise ResourceError("3-D pictures need VTK, which is missing", hint=hint) from error
    window = _headless_window() if _is_headless() else vtkRenderWindow()
    window.SetOffScreenRendering(True)
    return window


def _is_headless() -> bool:
    """Tell whether this is Linux without an X server that answers."""
    if not sys.platform.startswith("linux"):
        return False
    x11 = _library("libX11.so.6") if os.environ.get("DISPLAY") else None
    if x11 is None:
        return True
    x11.XOpenDisplay.restype = c_void_p
    display = x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(c_void_p(display))
    return not display


def _headless_window() -> vtkRenderWindow:
    # Named classes, because the factory would ask for an X server first and complain on stderr.
    from vtkmodules import vtkRenderingOpenGL2 as opengl

    if _egl_works():
        return opengl.vtkEGLRenderWindow()
    if any(_library(name) for name in _OSMESA_NAMES):
        return opengl.vtkOSOpenGLRenderWindow()
    hint = "On Debian or Ubuntu install it with: apt-get install libegl1 libgl1-mesa-dri"
    raise ResourceError("3-D pictures need OpenGL (EGL), which is missing", hint=hint)


def _egl_works() -> bool:
    """Tell whether EGL has a device that starts, as VTK will look for one.

    A library without a driver has no device, or one that does not start. The displays are not
    terminated, because other windows of this process may use them.
    """
    egl = _library("libEGL.so.1")
    if egl is None:
        return False
    egl.eglGetProcAddress.restype = c_void_p
    egl.eglGetProcAddress.argtypes = [c_char_p]
    query = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    display_of = egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT")
    if not query or not display_of:
        return False
    query_devices = ctypes.CFUNCTYPE(c_uint, c_int, c_void_p, POINTER(c_int))(query)
    get_display = ctypes.CFUNCTYPE(c_void_p, c_uint, c_void_p, c_void_p)(display_of)
    egl.eglInitialize.argtypes = [c_void_p, c_void_p, c_void_p]
    count = c_int(0)
    query_devices(0, None, byref(count))
    devices = (c_void_p * count.value)()
    query_devices(count.value, devices, byref(count))
    displays = [get_display(_EGL_PLATFORM_DEVICE, device, None) for device in devices]
    return any(display and egl.eglInitialize(display, None, None) for display in displays)


def _library(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
