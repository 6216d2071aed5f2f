"""DICOM objects that a hospital's systems read: segmentations (SEG) and reports (SR)."""
