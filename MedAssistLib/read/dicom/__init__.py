"""DICOM: finding the volumes that lie in a set of files, and loading one of them."""

from MedAssistLib.read.dicom.found import Found, Other, Refused, Volume
from MedAssistLib.read.dicom.headers import is_dicom
from MedAssistLib.read.dicom.load import load_volume
from MedAssistLib.read.dicom.volumes import find_volumes

__all__ = ["Found", "Other", "Refused", "Volume", "find_volumes", "is_dicom", "load_volume"]
