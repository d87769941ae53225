//! `[kernel]`, `[machine]` and `[channel]`.

use crate::spec::fault::quoted;
use crate::spec::name::check_module;
use crate::spec::reader::{Entry, Reader, Section};
use crate::spec::{
    AcceleratorChoice, Base, CPUS, Channel, Kernel, KernelChoice, Machine, TransportChoice,
};

pub(super) fn read(
    section: Option<Section<'_>>,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Kernel {
    let debian = KernelChoice::Name("debian".to_owned());
    let Some(section) = section else {
        return Kernel {
            image: debian,
            modules: Vec::new(),
            module_parameters: Vec::new(),
            cmdline: String::new(),
        };
    };
    let image = section.string("image", "debian, a release or a path", reader);
    let image = image.map_or(debian, |text| KernelChoice::resolve(text, base));
    if let KernelChoice::Path(path) = &image {
        reader.path(section.span_of("image"), path);
        // One that is built later, or that --kernel replaces, is no fault.
        if !path.as_os_str().is_empty() && path.metadata().is_err() {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let shown = quoted(&path.to_string_lossy());
            reader.note(&section.path.key("image"), format!("there is no file {shown} now"));
        }
    }
    Kernel {
        image,
        modules: read_modules(&section, reader),
        module_parameters: read_module_parameters(&section, reader),
        cmdline: section.string("cmdline", "a string", reader).unwrap_or_default().to_owned(),
    }
}

fn read_modules(section: &Section<'_>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut modules = Vec::new();
    for item in section.strings("modules", "module name", reader) {
        match check_module(item.text) {
            Ok(()) => modules.push(item.text.to_owned()),
            Err(error) => reader.fault(item.span, item.path, error),
        }
    }
    modules
}

fn read_module_parameters(section: &Section<'_>, reader: &mut Reader<'_>) -> Vec<(String, String)> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for Entry { name, text, path, name_span } in section.texts("module_parameters", reader) {
        // The kernel takes `-` and `_` in a module's name for the same.
        let same =
            |(known, _): &&(String, String)| known.replace('-', "_") == name.replace('-', "_");
        match (check_module(name), parameters.iter().find(same)) {
            (Err(error), _) => reader.fault(name_span, path, error),
            (Ok(()), Some((known, _))) => {
                let message = format!("the same module as {known}, each is named once");
                reader.fault_with_hint(name_span, path, message, Some("put both into one".into()));
            }
            (Ok(()), None) => parameters.push((name.to_owned(), text.to_owned())),
        }
    }
    parameters
}

pub(super) fn read_machine(section: Option<Section<'_>>, reader: &mut Reader<'_>) -> Machine {
    let mut machine = Machine { cpus: 1, memory: None, accelerator: AcceleratorChoice::Auto };
    if let Some(section) = section {
        machine.cpus = section.integer("cpus", &CPUS, reader).unwrap_or(machine.cpus);
        machine.memory = section.size("memory", reader);
        let accelerator = section.choice("accelerator", &AcceleratorChoice::WORDS, reader);
        machine.accelerator = accelerator.unwrap_or(machine.accelerator);
    }
    machine
}

pub(super) fn read_channel(section: Option<Section<'_>>, reader: &mut Reader<'_>) -> Channel {
    let transport = section
        .and_then(|section| section.choice("transport", &TransportChoice::WORDS, reader))
        .unwrap_or(TransportChoice::Auto);
    Channel { transport }
}
