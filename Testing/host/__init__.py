"""A host for the panel: Slicer's scene and Qt without the Slicer application.

Real: the MRML scene, its logics, storage nodes and displayable managers, ``slicer.util`` (all from
slicer-core), VTK, and Qt 6 (PySide6). Made here: PySide6 turned into PythonQt's manner, the modules
``qt`` and ``ctk``, ``slicer.app``, ``slicer.modules``, the base classes of scripted modules, and
stand-ins for widgets of ctk and qMRML. What has no stand-in raises ``MissingStandInError`` with its
name. A test that passes here says that the logic and the wiring work, not that Slicer runs it.

In a test, ``from Testing.host.fixture import host`` (or name it in ``pytest_plugins``), then::

    def test_it(host, tmp_path):
        widget = host.load("MedAssist/MedAssist.py")   # module, parent, setup(), enter()
        volume = slicer.util.loadVolume(str(path))      # the real slicer.util, after host started
        widget.ui.inputSelector.setCurrentNode(volume)
        host.dialogs.answer(qt.QMessageBox.Ok, "/a/file.nii")   # one answer a dialog, in order
        widget.ui.runButton.click()
        with host.longest_gap() as gap:                 # seconds; gap[0] is the longest so far
            host.wait(lambda: widget.isDone, timeout=30)
        assert host.dialogs.shown[0].text == "..."      # kind, title, text, answer
        assert host.pixels("Red").mean() > 0            # or Yellow, Green, 3D: rows, columns, RGB
        host.screenshot(tmp_path / "a.png", size=(1280, 800), panel_width=400, font_scale=1.5)
        assert host.cut_off(font_scale=1.5) == []       # texts that do not fit, scroll bars

``import slicer, qt`` must come after the host has started: inside the test, or in a module that the
host loads. Boxes with one button answer themselves; a choice without an answer raises. An answer
may be a function of the dialog, which can look at it and returns what ``exec`` returns; a string
answers a file dialog. ``host.scene.Clear()`` closes the scene; ``widget.parent.exit()`` and
``.enter()`` leave and open the module; ``host.testing(enabled=True)`` is Slicer's ``--testing``;
``host.start_up()`` emits ``startupCompleted()``; ``Testing.host.extensions`` records sample data
and packages to install; ``slicer.util.reloadScriptedModule("MedAssist")`` reloads.

Views draw only when the window is shown (``host.show()``, ``screenshot``) or a picture is asked
for: an event loop that must not stall is measured with the window hidden, because drawing in
software takes up to 0.2 s a frame.

After the test the host unloads the modules (``cleanup()``), empties scene, settings and clipboard,
and fails the test on what was left: running timers and processes, observers of the scene or of its
singletons, widgets that still hold the scene, exceptions out of slots, answers nobody asked for.

``make panel`` (``python -m Testing.host [volume]``) opens the same in a window (desktop or Xvfb).
"""
